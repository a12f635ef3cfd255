"""The newest entries of a log, in this process's memory: bounded by count, bytes and age."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Protocol

from ... import checks
from .entry import Entry, Position

__all__ = ["History", "Topic", "View"]


class View(Protocol):
    """Whoever follows some topics of a history. All calls come under the history's lock."""

    topics: frozenset[str]

    def note(self, entry: Entry) -> bool:
        """Take note of a new entry of one of the topics; False: nobody follows any more.

        Never waits and never fails.
        """

    def restart(self) -> None:
        """Take note that the history begins anew."""


class Topic:
    """The entries of one topic, oldest first."""

    __slots__ = ("entries", "trimmed", "views")

    def __init__(self, trimmed: int) -> None:
        self.entries: deque[Entry] = deque()
        self.trimmed = trimmed
        """The highest sequence that may have been trimmed off this topic."""
        self.views: list[View] = []


class History:
    """The newest entries of one log, which its backend appends and its subscribers read.

    Any thread may call it; subscribers of all event loops of the process share it.

    :param max_events: entries to keep at most
    :param max_bytes: bytes of encoded events to keep at most
    :param max_age: seconds for which entries are kept; None: no limit
    :param complete: whether this is the whole log; otherwise its backend can read older entries
    :raises TypeError: a bound is of the wrong type
    :raises ValueError: a bound is not positive
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        max_age: float | None = None,
        complete: bool = True,
        now: Callable[[], float] = monotonic,
    ) -> None:
        checks.integer("max_events", max_events, least=1)
        checks.integer("max_bytes", max_bytes, least=1)
        checks.optional_seconds("max_age", max_age, none="no limit")
        self.lock = threading.Lock()
        self.complete = complete
        self.epoch: str | None = None
        """The life of the log; None until the backend has reached it."""
        self.floor = 0
        """Every entry after this sequence is here."""
        self.tip = 0
        """The sequence of the newest entry there ever was."""
        self.failure: Exception | None = None
        """What ended the backend, until it begins again."""
        self.topics: dict[str, Topic] = {}
        self._views: set[View] = set()
        self._entries: deque[Entry] = deque()
        self.bytes = 0
        """The encoded size of the entries."""
        self._forgotten = 0  # the highest sequence trimmed off a topic that has no entry any more
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._now = now
        self._heard = now()

    # -- what a backend calls ----------------------------------------------------------------------

    def begin(self, epoch: str, floor: int, tip: int, entries: Iterable[Entry] = ()) -> None:
        """Begin anew with what the log holds: every entry from ``floor`` to ``tip``."""
        with self.lock:
            self.epoch, self.floor, self.tip = epoch, floor, floor
            self.failure = None
            self._entries.clear()
            self.bytes = 0
            self._forgotten = floor
            for topic in self.topics.values():
                topic.entries.clear()
                topic.trimmed = floor
            for entry in entries:
                self._add(entry)
            self.tip = tip
            self._trim()
            self._heard = self._now()
            for view in self._views:
                view.restart()

    def append(self, *entries: Entry) -> None:
        """Add entries, oldest first, and tell those who follow their topics."""
        with self.lock:
            for entry in entries:
                if entry.sequence > self.tip:
                    self.append_locked(entry)
            self._heard = self._now()

    def append_locked(self, entry: Entry) -> None:
        """Add one entry, for a backend that holds the lock already."""
        self._add(entry)
        views = self.topics[entry.topic].views
        for view in [view for view in views if not view.note(entry)]:
            self.leave(view)
        self._trim()

    def heard(self) -> None:
        """Note that the log was heard of, although there is nothing new."""
        self._heard = self._now()

    def fail(self, failure: Exception) -> None:
        """Tell all who follow that nothing more will come."""
        with self.lock:
            self.failure = failure
            for view in self._views:
                view.restart()

    # -- what subscribers and their hub call, most of it under the lock ----------------------------

    @property
    def position(self) -> Position | None:
        """The position of the newest entry, or None until the backend has reached the log."""
        return None if self.epoch is None else Position(self.epoch, self.tip)

    @property
    def silence(self) -> float:
        """Seconds since the log was last heard of."""
        return self._now() - self._heard

    def follow(self, view: View) -> None:
        """Tell ``view`` of every new entry of its topics."""
        self._views.add(view)
        for name in view.topics:
            self._topic(name).views.append(view)

    def leave(self, view: View) -> None:
        """Tell ``view`` of nothing more."""
        self._views.discard(view)
        for name in view.topics:
            topic = self.topics[name]
            topic.views.remove(view)
            self._forget_if_unused(name, topic)

    def after(self, sequence: int, topics: Iterable[str]) -> list[Entry]:
        """Return the retained entries of ``topics`` after ``sequence``, oldest first."""
        found = [entry for name in topics for entry in self._topic_after(name, sequence)]
        found.sort(key=_sequence)
        return found

    def is_whole_after(self, sequence: int, topics: Iterable[str]) -> bool:
        """Tell whether no entry of ``topics`` after ``sequence`` was trimmed."""
        return sequence >= self.floor or all(
            (self.topics[name].trimmed if name in self.topics else self._forgotten) <= sequence
            for name in topics
        )

    def retained(self, topics: Iterable[str]) -> int:
        """Count the retained entries of ``topics``."""
        return sum(len(self.topics[name].entries) for name in topics if name in self.topics)

    def newest(self, topics: Iterable[str]) -> int:
        """Return the highest sequence that an entry of ``topics`` may have."""
        return max(self._newest(name) for name in topics)

    def _newest(self, name: str) -> int:
        topic = self.topics.get(name)
        if topic is None:
            return self._forgotten
        return topic.entries[-1].sequence if topic.entries else topic.trimmed

    def trim(self) -> None:
        """Let go of what has grown too old meanwhile."""
        self._trim()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    # ----------------------------------------------------------------------------------------------

    def _topic(self, name: str) -> Topic:
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(self._forgotten)
        return topic

    def _topic_after(self, name: str, sequence: int) -> Iterator[Entry]:
        topic = self.topics.get(name)
        for entry in reversed(topic.entries if topic is not None else ()):
            if entry.sequence <= sequence:
                return
            yield entry

    def _add(self, entry: Entry) -> None:
        entry.arrived = self._now()
        self.tip = entry.sequence
        self._entries.append(entry)
        self.bytes += len(entry.block)
        self._topic(entry.topic).entries.append(entry)

    def _trim(self) -> None:
        entries = self._entries
        oldest = float("-inf") if self._max_age is None else self._now() - self._max_age
        while entries and (
            len(entries) > self._max_events
            or self.bytes > self._max_bytes
            or entries[0].arrived < oldest
        ):
            entry = entries.popleft()
            self.floor = entry.sequence
            self.bytes -= len(entry.block)
            topic = self.topics[entry.topic]
            topic.entries.popleft()
            topic.trimmed = entry.sequence
            self._forget_if_unused(entry.topic, topic)

    def _forget_if_unused(self, name: str, topic: Topic) -> None:
        """Keep no topic that has neither entries nor followers: names may come without end."""
        if not topic.entries and not topic.views:
            del self.topics[name]
            self._forgotten = max(self._forgotten, topic.trimmed)


def _sequence(entry: Entry) -> int:
    return entry.sequence
