"""A log in the memory of one process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from ..log.backend import Page
from ..log.entry import Entry, Position, new_epoch
from ..log.history import History

__all__ = ["MemoryBackend"]

_TOKEN_AGE: Final = 120.0
_MAX_TOKENS: Final = 10_000


class MemoryBackend:
    """Keeps the log in memory: for one process, and for as long as it runs.

    :param max_events: events to keep for clients that come back
    :param max_bytes: bytes of encoded events to keep at most
    :param max_age: seconds for which events are kept; None: no limit
    :raises TypeError: a bound is of the wrong type
    :raises ValueError: a bound is not positive
    """

    needs_run = False

    def __init__(
        self,
        *,
        max_events: int = 10_000,
        max_bytes: int = 64 * 1_048_576,
        max_age: float | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.history = History(max_events=max_events, max_bytes=max_bytes, max_age=max_age, now=now)
        self._now = now
        self._tokens: OrderedDict[str, tuple[Position, float]] = OrderedDict()
        self._epoch = new_epoch()
        self.history.begin(self._epoch, 0, 0)

    async def run(self) -> None:
        """Return at once: nothing comes from elsewhere."""

    async def publish(self, topic: str, block: bytes, token: str | None) -> Position:
        """Append an encoded event; see :meth:`publish_nowait`."""
        return self.publish_nowait(topic, block, token)

    def publish_nowait(self, topic: str, block: bytes, token: str | None) -> Position:
        """Append an encoded event and return its position; from any thread, without waiting."""
        history = self.history
        with history.lock:
            if token is not None and (known := self._known(token)) is not None:
                return known
            position = Position(self._epoch, history.tip + 1)
            history.append_locked(Entry(position, topic, block))
            if token is not None:
                self._tokens[token] = position, self._now()
        return position

    def _known(self, token: str) -> Position | None:
        oldest = self._now() - _TOKEN_AGE
        tokens = self._tokens
        while tokens:
            _, since = next(iter(tokens.values()))
            if since >= oldest and len(tokens) < _MAX_TOKENS:
                break
            tokens.popitem(last=False)
        known = tokens.get(token)
        return None if known is None else known[0]

    async def read(self, after: Position, limit: int) -> Page:
        """Return nothing: the history is the whole log."""
        return Page((), self.history.floor)
