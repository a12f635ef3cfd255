"""A log in the memory of one process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from ..log.backend import Page
from ..log.entry import Entry, Position, new_epoch
from ..log.history import History

__all__ = ["MemoryBackend"]

_TOKEN_AGE: Final = 120.0
_MAX_TOKENS: Final = 1_000_000


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
        self._max_bytes = max_bytes
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._publisher: int | None = None
        self._tokens: OrderedDict[str, tuple[Position, float]] = OrderedDict()
        self._epoch = new_epoch()
        self.history.begin(self._epoch, 0, 0)

    async def run(self) -> None:
        """Return at once: nothing comes from elsewhere."""

    async def publish(self, topic: str, block: bytes, token: str | None) -> Position:
        """Append an encoded event; see :meth:`publish_nowait`."""
        return self.publish_nowait(topic, block, token)

    def publish_nowait(self, topic: str, block: bytes, token: str | None) -> Position:
        """Append an encoded event and return its position; from any thread, without waiting.

        :raises ValueError: the event is larger than ``max_bytes``
        :raises RuntimeError: a signal handler publishes while its thread is publishing
        """
        if self._process != os.getpid():
            self._fork()
        if self._publisher == threading.get_ident():
            raise RuntimeError(
                "this thread is publishing already: in a signal handler, have the event loop"
                " publish (call_soon_threadsafe), or another thread"
            )
        with self.history.lock:
            self._publisher = threading.get_ident()
            try:
                return self._append(topic, block, token)
            finally:
                self._publisher = None

    def _append(self, topic: str, block: bytes, token: str | None) -> Position:
        history = self.history
        if token is not None and (known := self._known(token)) is not None:
            return known
        entry = Entry(Position(self._epoch, history.tip + 1), topic, block)
        if len(entry.block) > self._max_bytes:
            size = len(entry.block)
            raise ValueError(f"the event has {size} bytes, more than max_bytes={self._max_bytes}")
        history.append_locked(entry)
        if token is not None:
            self._tokens[token] = entry.position, self._now()
        return entry.position

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

    def _fork(self) -> None:
        """Begin a log of its own in a forked process: the parent's goes another way from here."""
        self.history.after_fork()
        self._begin()

    async def read(self, after: Position, limit: int) -> Page:
        """Return nothing: the history is the whole log."""
        return Page((), self.history.floor)
