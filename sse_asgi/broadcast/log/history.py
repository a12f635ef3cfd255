"""The newest entries of a log, in this process's memory: bounded by count, bytes and age."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from ... import checks
from .entry import Entry, Position
from .lifetimes import Lifetimes, Mark
from .lock import HandlerSafeLock
from .topics import TopicIndex

__all__ = ["History", "View"]

_BEYOND: Final = 10**15
"""A sequence that no log reaches. It has no more digits than the ID of a position may have."""


class View(Protocol):
    """The subscribers of one event loop. All calls come under the history's lock, in any thread."""

    def restart(self) -> None:
        """Take note that the history begins anew, or that its backend failed."""

    def refresh(self) -> None:
        """Take note that a subscriber to whom nothing came for long needs a newer position."""


class _Bounds(NamedTuple):
    events: int
    bytes: int
    age: float | None


class History:
    """The newest entries of one log, which its backend appends and its subscribers read.

    Any thread may call it; subscribers of all event loops of the process share it. The newest entry
    is kept whatever its size.

    :param max_events: entries to keep at most
    :param max_bytes: bytes of encoded events to keep at most
    :param max_age: seconds for which entries are kept; None: no limit
    :param complete: whether this is the whole log; otherwise its backend can read older entries
    :param now: returns the time in seconds, by which entries grow old
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
        self._bounds = _Bounds(
            checks.integer("max_events", max_events, least=1),
            checks.integer("max_bytes", max_bytes, least=1),
            checks.optional_seconds("max_age", max_age, none="no limit"),
        )
        self.lock: HandlerSafeLock = HandlerSafeLock()
        self.complete = complete
        self.epoch: str | None = None
        """The life of the log; None until the backend has reached it."""
        self.stretch: str | None = None
        """The epoch of new positions. A life may have several stretches, one after the other."""
        self._ends: Mapping[str, int] = {}
        self.floor: int = 0
        """Every entry after this sequence is here."""
        self.tip: int = 0
        """The sequence of the newest entry there ever was."""
        self.failure: Exception | None = None
        """The exception that ended the backend, until it begins again."""
        self.topics: TopicIndex = TopicIndex()
        self.lifetimes: Lifetimes = Lifetimes()
        """The topics that were begun or have ended."""
        self.bytes: int = 0
        """The encoded size of the entries."""
        self._entries: deque[Entry] = deque()
        self._views: set[View] = set()
        self._refresh_at = 0
        self._now = now
        self._heard = now()

    # -- what a backend calls ----------------------------------------------------------------------

    def begin(
        self,
        epoch: str,
        floor: int,
        tip: int,
        entries: Iterable[Entry] = (),
        *,
        stretch: str | None = None,
        ends: Mapping[str, int] = MappingProxyType({}),
        marks: Iterable[Mark] = (),
    ) -> None:
        """Begin anew with the entries that the log holds: all from ``floor`` to ``tip``.

        :param stretch: the epoch of new positions, if it is not that of the log's life
        :param ends: the earlier stretches of this life, each with its last sequence
        :param marks: the topics that were begun or have ended, as far as the log knows them
        """
        with self.lock:
            self.epoch, self.floor, self.tip = epoch, floor, floor
            self.stretch, self._ends = stretch or epoch, ends
            self.failure = None
            self._entries.clear()
            self.bytes = 0
            self._refresh_at = 0
            self.topics.clear(floor)
            self.lifetimes.begin(marks)
            for entry in entries:
                self._add(entry)
            self.tip = tip
            self.trim()
            self._heard = self._now()
            for view in tuple(self._views):
                view.restart()

    def renew(self, stretch: str, ends: Mapping[str, int]) -> None:
        """Go on with another stretch: positions of the earlier ones are valid up to their ends."""
        with self.lock:
            self.stretch, self._ends = stretch, ends

    def append(self, *entries: Entry) -> None:
        """Add entries, oldest first, and tell the followers of their topics."""
        with self.lock:
            for entry in entries:
                if entry.sequence > self.tip:
                    self.append_locked(entry)
            self._heard = self._now()

    def append_locked(self, entry: Entry) -> None:
        """Add one entry, for a backend that holds the lock already."""
        self._add(entry)
        for follower in tuple(self.topics[entry.topic].followers):
            follower.note()
        self.trim()
        if self.tip >= self._refresh_at and self._is_half_full:
            self._refresh_at = self.tip + max(1, len(self._entries) // 4)
            for view in tuple(self._views):
                view.refresh()

    def heard(self) -> None:
        """Note that the log was heard of, although there is nothing new."""
        self._heard = self._now()

    def fail(self, failure: Exception) -> None:
        """Tell every subscriber that nothing more will come."""
        with self.lock:
            self.failure = failure
            for view in tuple(self._views):
                view.restart()

    def after_fork(self) -> None:
        """Let go of the parent process's subscribers, and of a lock that one of them may hold."""
        self.lock = HandlerSafeLock()
        self._views = set()
        self.topics.abandon()

    # -- what subscribers and their hub read, under the lock ---------------------------------------

    @property
    def position(self) -> Position | None:
        """The position of the newest entry, or None until the backend has reached the log."""
        return self.position_at(self.tip)

    def position_at(self, sequence: int) -> Position | None:
        """Return the position of a sequence, or None until the backend has reached the log."""
        return None if self.stretch is None else Position(self.stretch, sequence)

    @property
    def beyond(self) -> Position | None:
        """A position that no entry ever has; None until the backend has reached the log.

        A backend that is asked for it waits for all that the log has now. A position just after the
        newest entry would be an entry's as soon as one more comes.
        """
        return self.position_at(_BEYOND)

    def end_of(self, stretch: str) -> int | None:
        """Return the last sequence of a stretch, or None if it is not known here."""
        return self.tip if stretch == self.stretch else self._ends.get(stretch)

    def knows(self, position: Position) -> bool | None:
        """Tell whether the log has, or had, an entry; None if it may be news to this process."""
        end = self.end_of(position.epoch)
        if end is None or (position.epoch == self.stretch and position.sequence > end):
            return None
        return position.sequence <= end

    @property
    def silence(self) -> float:
        """Seconds since the log was last heard of."""
        return self._now() - self._heard

    @property
    def middle(self) -> int:
        """The sequence that half of the retained entries are newer than."""
        return self._entries[len(self._entries) // 2].sequence if self._entries else self.floor

    def watch(self, view: View) -> None:
        """Tell ``view`` when the history begins anew, from now on."""
        self._views.add(view)

    def unwatch(self, view: View) -> None:
        """Tell ``view`` of nothing more."""
        self._views.discard(view)

    def is_whole_after(self, sequence: int, topics: Iterable[str]) -> bool:
        """Tell whether no entry of ``topics`` after ``sequence`` was trimmed."""
        return sequence >= self.floor or all(
            self.topics.trimmed(name) <= sequence for name in topics
        )

    def trim(self) -> None:
        """Let go of the entries that are out of bounds, or have grown too old meanwhile."""
        entries, (most, size, age) = self._entries, self._bounds
        oldest = float("-inf") if age is None else self._now() - age
        while entries and (
            (len(entries) > 1 and (len(entries) > most or self.bytes > size))
            or entries[0].arrived < oldest
        ):
            entry = entries.popleft()
            self.floor = entry.sequence
            self.bytes -= len(entry.block)
            self.topics.trim(entry.topic)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def _add(self, entry: Entry) -> None:
        entry.arrived = self._now()
        self.tip = entry.sequence
        self._entries.append(entry)
        self.bytes += len(entry.block)
        topic = self.topics.topic(entry.topic)
        topic.append(entry)
        if entry.is_first or entry.is_last:
            self.lifetimes.note(entry)
            topic.has_ended = topic.has_ended or entry.is_last

    @property
    def _is_half_full(self) -> bool:
        most, size, age = self._bounds
        return age is not None or 2 * len(self._entries) >= most or 2 * self.bytes >= size
