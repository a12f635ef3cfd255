"""A log in the memory of one process."""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from math import inf
from time import monotonic
from typing import Final

from ...errors import TopicEnded, TopicExists
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
    :param now: returns the time in seconds, by which events and tokens grow old
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
        self.history: History = History(
            max_events=max_events, max_bytes=max_bytes, max_age=max_age, now=now
        )
        self._now = now
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._tokens: OrderedDict[str, tuple[Position, float]] = OrderedDict()
        self._epoch = new_epoch()
        self._sequences = count(1)
        self._left: deque[Entry] = deque()
        self.history.begin(self._epoch, 0, 0)

    async def run(self) -> None:
        """Return at once: nothing comes from elsewhere."""

    async def publish(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        """Append an encoded event; see :meth:`publish_nowait`."""
        return self.publish_nowait(topic, block, token, first=first, last=last)

    def publish_nowait(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        """Append an encoded event and return its position; from any thread, without waiting.

        A signal handler may publish while its own thread is publishing. Its event then has its
        position at once, and its place in the log as soon as the thread goes on.

        :raises TopicEnded: the topic has ended
        :raises TopicExists: ``first``, and the topic was begun so or has ended
        """
        if self._process != os.getpid():
            self.after_fork()
        lock = self.history.lock
        if lock.is_ours:
            known = None if token is None else self._tokens.get(token)
            if known is not None:
                return known[0]
            entry = self._entry(topic, block, token, first, last)
            self._left.append(entry)
            lock.afterwards(self._append_left)
            return entry.position
        with lock:
            if token is not None and (position := self._known(token)) is not None:
                return position
            entry = self._entry(topic, block, token, first, last)
            self._append_left(entry.sequence)
            self.history.append_locked(entry)
        return entry.position

    def _entry(self, topic: str, block: bytes, token: str | None, first: bool, last: bool) -> Entry:
        lifetimes = self.history.lifetimes
        if first and lifetimes.has_begun(topic):
            raise TopicExists(topic)
        if lifetimes.has_ended(topic):
            raise TopicEnded(topic)
        position = Position(self._epoch, next(self._sequences))
        entry = Entry(position, topic, block, first=first, last=last)
        if first or last:
            lifetimes.note(entry)  # at once, for an entry that a handler leaves to its thread
        if token is not None:
            self._tokens[token] = entry.position, self._now()
        return entry

    def _append_left(self, before: float = inf) -> None:
        """Append the entries that signal handlers have left, as far as it is their turn."""
        while self._left and self._left[0].sequence < before:
            self.history.append_locked(self._left.popleft())

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

    def after_fork(self) -> None:
        """Begin another log in a forked process: the parent's goes another way from here."""
        self.history.after_fork()
        self._begin()

    async def read(self, after: Position, limit: int) -> Page:
        """Return nothing: the history is the whole log."""
        return Page((), self.history.floor)
