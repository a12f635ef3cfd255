"""Metrics of hubs: what they hold, and how far behind their subscribers are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from .. import __version__
from ..checks import refuse

if TYPE_CHECKING:
    from ..broadcast import HubSnapshot

__all__ = ["Observed", "observe_hubs"]

_FRESH: Final = 0.5
"""Seconds for which a look at the hubs serves: one serves all instruments of a collection."""


class Observed(Protocol):
    """A hub, as far as it is observed."""

    def snapshot(self) -> HubSnapshot:
        """Return what this process knows of the hub; from any thread."""


def observe_hubs(
    hubs: Mapping[str, Observed], *, meter_provider: metrics.MeterProvider | None = None
) -> None:
    """Have the hubs observed at each collection of metrics, for as long as the process runs.

    Call it once, with all hubs, for each meter provider. Each measurement has the attribute
    ``sse.hub.name``, and is about this process alone.

    ================================  ================  ============================================
    instrument                        unit              kind
    ================================  ================  ============================================
    ``sse.hub.published_events``      ``{event}``       counter
    ``sse.hub.subscribers``           ``{subscriber}``  up-down counter
    ``sse.hub.backlog``               ``{event}``       gauge: of the subscriber furthest behind
    ``sse.hub.gaps``                  ``{gap}``         counter
    ``sse.hub.lost_events``           ``{event}``       counter: hidden by gaps, as far as known
    ``sse.hub.history.events``        ``{event}``       up-down counter: events in memory
    ``sse.hub.history.size``          ``By``            up-down counter: bytes of these events
    ``sse.hub.silence``               ``s``             gauge: since the log was last heard of
    ================================  ================  ============================================

    :param hubs: hubs by their names
    :param meter_provider: makes the instruments; the global one by default
    :raises TypeError: ``hubs`` is no mapping of hubs
    """
    if not isinstance(hubs, Mapping):
        raise TypeError(refuse("hubs", "a mapping from names to hubs", hubs))
    for name, hub in hubs.items():
        if not callable(getattr(hub, "snapshot", None)):
            raise TypeError(refuse(f"hubs[{name!r}]", "a hub", hub))
    snapshots = _Snapshots(dict(hubs))
    meter = metrics.get_meter("sse_asgi", __version__, meter_provider)
    create = {
        "counter": meter.create_observable_counter,
        "gauge": meter.create_observable_gauge,
        "up_down_counter": meter.create_observable_up_down_counter,
    }
    for kind, name, unit, description, read in _INSTRUMENTS:
        create[kind](name, [snapshots.callback(read)], unit, description)


class _Instrument(NamedTuple):
    kind: str
    name: str
    unit: str
    description: str
    read: Callable[[HubSnapshot], float]


_INSTRUMENTS: Final = (
    _Instrument(
        "counter",
        "sse.hub.published_events",
        "{event}",
        "Events that this process has published.",
        lambda hub: hub.published,
    ),
    _Instrument(
        "up_down_counter",
        "sse.hub.subscribers",
        "{subscriber}",
        "Subscriptions in this process.",
        lambda hub: hub.subscribers,
    ),
    _Instrument(
        "gauge",
        "sse.hub.backlog",
        "{event}",
        "Events before the subscription that is furthest behind.",
        lambda hub: hub.backlog,
    ),
    _Instrument(
        "counter",
        "sse.hub.gaps",
        "{gap}",
        "Times that a subscriber was told of a gap.",
        lambda hub: hub.gaps,
    ),
    _Instrument(
        "counter",
        "sse.hub.lost_events",
        "{event}",
        "Events that gaps hid from their subscribers, where that was known.",
        lambda hub: hub.lost,
    ),
    _Instrument(
        "up_down_counter",
        "sse.hub.history.events",
        "{event}",
        "Events in memory.",
        lambda hub: hub.events,
    ),
    _Instrument(
        "up_down_counter",
        "sse.hub.history.size",
        "By",
        "Encoded size of the events in memory.",
        lambda hub: hub.bytes,
    ),
    _Instrument(
        "gauge",
        "sse.hub.silence",
        "s",
        "Time since the log was last heard of.",
        lambda hub: hub.silence,
    ),
)


class _Snapshots:
    """The newest look at each hub; exporters may ask from several threads."""

    def __init__(self, hubs: Mapping[str, Observed]) -> None:
        self._hubs = hubs
        self._newest: tuple[float, Sequence[tuple[str, HubSnapshot]]] = (-_FRESH, ())

    def callback(
        self, read: Callable[[HubSnapshot], float]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return the function that gives one instrument its measurements."""

        def observe(options: CallbackOptions) -> list[Observation]:
            return [Observation(read(hub), {"sse.hub.name": name}) for name, hub in self._look()]

        return observe

    def _look(self) -> Sequence[tuple[str, HubSnapshot]]:
        since, found = self._newest
        now = monotonic()
        if now - since >= _FRESH:
            found = [(name, hub.snapshot()) for name, hub in self._hubs.items()]
            self._newest = now, found
        return found
