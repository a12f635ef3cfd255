"""Hubs are looked at once for each collection of metrics, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi.broadcast import Hub, HubSnapshot, MemoryBackend
from sse_asgi.otel import hubs as hubs_module
from sse_asgi.otel import observe_hubs

from .collected import Collected, Point

pytestmark = pytest.mark.anyio

NEWS = {"sse.hub.name": "news"}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that the observation goes by; a test sets it."""
    now = [100.0]
    monkeypatch.setattr(hubs_module, "monotonic", lambda: now[0])
    return now


def values(collected: Collected) -> dict[str, list[Point]]:
    return {
        name.removeprefix("sse.hub."): [
            Point(point.value, dict(point.attributes)) for point in metric.data.data_points
        ]
        for name, metric in collected.metrics().items()
    }


class Fixed:
    """A hub that always looks the same."""

    def snapshot(self) -> HubSnapshot:
        """Return another number in each field."""
        return HubSnapshot("e-9", "e-1", {"t": 2}, 2, 3, 4, 5, 6, 7, 8.5, 9)


async def test_metrics_are_those_of_the_snapshot() -> None:
    collected = Collected()
    observe_hubs({"news": Fixed(), "other": Hub()}, meter_provider=collected.meters)
    found = values(collected)
    assert {name: point for name, (point, _) in found.items()} == {
        "history.events": Point(2, NEWS),
        "history.size": Point(3, NEWS),
        "subscribers": Point(4, NEWS),
        "backlog": Point(5, NEWS),
        "gaps": Point(6, NEWS),
        "lost_events": Point(7, NEWS),
        "silence": Point(8.5, NEWS),
        "published_events": Point(9, NEWS),
    }
    other = {"sse.hub.name": "other"}
    assert [point for _, point in found.values()] == [Point(0, other)] * 8


async def test_publications_and_gaps_of_a_hub_are_counted(now: list[float]) -> None:
    collected = Collected()
    hub = Hub(MemoryBackend(max_events=3))
    observe_hubs({"news": hub}, meter_provider=collected.meters)
    for _ in range(5):
        await hub.publish("t", "x")
    hub.publish_sync("t", "x")
    with pytest.raises(TypeError):
        await hub.publish("t", None)
    away = hub.subscribe("t", last_event_id=hub.position().replace("-6", "-1"))  # type: ignore[union-attr]
    assert away.take() is not None
    found = values(collected)
    assert found["published_events"] == [Point(6, NEWS)]
    assert found["gaps"] == [Point(1, NEWS)]
    assert found["subscribers"] == [Point(1, NEWS)]
    await away.aclose()
    now[0] += 1
    assert values(collected)["subscribers"] == [Point(0, NEWS)]


async def test_units_and_kinds_follow_the_conventions(now: list[float]) -> None:
    collected = Collected()
    observe_hubs({"news": Hub()}, meter_provider=collected.meters)
    units = {name: metric.unit for name, metric in collected.metrics().items()}
    assert units == {
        "sse.hub.published_events": "{event}",
        "sse.hub.subscribers": "{subscriber}",
        "sse.hub.backlog": "{event}",
        "sse.hub.gaps": "{gap}",
        "sse.hub.lost_events": "{event}",
        "sse.hub.history.events": "{event}",
        "sse.hub.history.size": "By",
        "sse.hub.silence": "s",
    }
    monotonic = {
        name
        for name, metric in collected.metrics().items()
        if getattr(metric.data, "is_monotonic", False)
    }
    assert monotonic == {"sse.hub.published_events", "sse.hub.gaps", "sse.hub.lost_events"}


class Counted:
    """A hub that counts the looks at it."""

    def __init__(self) -> None:
        self.looks = 0
        self._hub = Hub()

    def snapshot(self) -> HubSnapshot:
        """Count, and look."""
        self.looks += 1
        return self._hub.snapshot()


async def test_one_look_serves_all_instruments_of_a_collection(now: list[float]) -> None:
    collected, hub = Collected(), Counted()
    observe_hubs({"news": hub}, meter_provider=collected.meters)
    assert hub.looks == 0
    for collection in (1, 2, 3):
        collected.metrics()
        assert hub.looks == collection
        now[0] += 1


async def test_hub_is_observed_from_another_thread_while_it_is_used() -> None:
    collected, hub = Collected(), Hub()
    observe_hubs({"news": hub}, meter_provider=collected.meters)
    over = False

    def collect() -> int:
        count = 0
        while not over:
            hub.snapshot()
            collected.metrics()
            count += 1
        return count

    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(collect)
        try:
            for _ in range(200):
                subscriptions = [hub.subscribe("t") for _ in range(30)]
                for subscription in subscriptions:
                    subscription.take()
                await hub.publish("t", "x")
                for subscription in subscriptions[::2]:
                    await subscription.aclose()
                await anyio.lowlevel.checkpoint()
        finally:
            over = True
        assert found.result() > 0


@pytest.mark.parametrize(
    ("hubs", "rule"),
    [
        (Hub(), "hubs must be a mapping from names to hubs, not"),
        ([Hub()], "hubs must be a mapping from names to hubs, not"),
        ({"news": "news"}, r"hubs\['news'\] must be a hub, not 'news'"),
    ],
)
async def test_only_hubs_are_observed(hubs: Any, rule: str) -> None:
    with pytest.raises(TypeError, match=rule):
        observe_hubs(hubs)
