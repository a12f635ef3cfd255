"""A subscriber's place in the log, and the topics that have something after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice, takewhile
from typing import Final

from .feed import Feed, LoopFeeds
from .log.entry import Entry
from .log.lifetimes import Lifetimes
from .log.merge import Merge
from .log.topics import merged

__all__ = ["Cursor"]

_MANY: Final = 32
"""Marks from which on the entries of the feeds are merged once, and not anew for each batch."""


class Cursor:
    """A place in the log that moves on, over the entries of some topics.

    Every entry of its topics up to :attr:`at` lies behind it. A *mark* says that a feed has entries
    after the place, and how many of its entries lie behind. A feed without a mark has nothing, up
    to the horizon of the event loop: see :mod:`.feed`. Most of the time there is one mark or none,
    so the first one has a field of its own.
    """

    __slots__ = (
        "_merge",
        "_others",
        "_seen",
        "_wake",
        "at",
        "feed",
        "feeds",
        "is_restarted",
        "is_stale",
        "may_end",
        "owner",
        "sent",
        "topics",
    )

    def __init__(self, topics: frozenset[str], at: int) -> None:
        self.topics: frozenset[str] = topics
        self.at: int = at
        """The sequence after which it goes on."""
        self.sent: int = at
        """The sequence of the last event that the client was sent."""
        self.is_stale: bool = False
        """Whether the history will soon have forgotten :attr:`sent`."""
        self.may_end: bool = True
        """Whether all of its topics may have ended since it was last asked."""
        self.is_restarted: bool = False
        """Whether the history has begun anew, so that no mark is known to be right."""
        self.feeds: LoopFeeds | None = None
        self.owner: object = None
        """A weak reference to the subscription."""
        self.feed: Feed | None = None
        """The first feed with a mark."""
        self._seen = 0
        self._others: dict[Feed, int] = {}
        self._merge: Merge | None = None
        self._wake: Callable[[], object] | None = None

    # -- marks -------------------------------------------------------------------------------------

    def mark(self, feed: Feed, seen: int) -> None:
        """Take note that ``feed`` has news, after ``seen`` entries; wake the subscriber."""
        if self.feed is None:
            self.feed, self._seen = feed, seen
        elif feed is not self.feed:
            self._others.setdefault(feed, seen)
        self.wake()

    def ask_for_position(self) -> None:
        """Take note that the client needs a newer position; wake the subscriber."""
        self.is_stale = True
        self.wake()

    def note_end(self) -> None:
        """Take note that one of its topics has ended; a mark for its last entry follows."""
        self.may_end = True

    def restart(self) -> None:
        """Take note that the history has begun anew; wake the subscriber."""
        self.is_restarted = self.may_end = True
        self.wake()

    def settle(self) -> int:
        """Mark exactly the feeds that have entries after the place, and count these entries.

        Under the lock, when the place is known to lie in memory.
        """
        assert self.feeds is not None
        wake, self._wake = self._wake, None
        self.clear()
        count = 0
        for feed in self.feeds.feeds(self.topics):
            behind = feed.topic.count_after(self.at)
            if behind:
                self.mark(feed, feed.topic.total - behind)
                count += behind
        self._wake = wake
        return count

    def clear(self) -> None:
        """Take every mark away."""
        self.feed = self._merge = None
        if self._others:
            self._others = {}

    @property
    def has_one_mark(self) -> bool:
        """Whether exactly one feed has news."""
        return self.feed is not None and not self._others

    def marks(self) -> Iterator[tuple[Feed, int]]:
        """Return the marked feeds, each with the number of its entries that lie behind."""
        if self.feed is not None:
            yield self.feed, self._seen
        yield from self._others.items()

    # -- entries, under the lock -------------------------------------------------------------------

    def entries(self, most: int) -> list[Entry]:
        """Return the next entries of the marked feeds, up to the horizon."""
        assert self.feeds is not None
        horizon = self.feeds.horizon
        if self._merge is not None:
            ahead = self._merge.next_entries(most) if self._merge.at == self.at else []
            if ahead:
                return ahead
            self._merge = None
        topics = [feed.topic for feed, _ in self.marks()]
        if len(topics) >= _MANY:
            self._merge = Merge(topics, self.at, horizon)
            return self._merge.next_entries(most)
        found = merged(topics, self.at)
        return list(islice(takewhile(lambda entry: entry.sequence <= horizon, found), most))

    def is_whole(self) -> bool:
        """Tell whether no entry after the place was trimmed off a marked feed."""
        assert self.feeds is not None
        return self.feeds.history.floor <= self.at or all(
            feed.topic.trimmed <= self.at for feed, _ in self.marks()
        )

    def lost(self, *, all_of_it: bool) -> int:
        """Count the entries after the place that were trimmed, or all entries after it."""
        return sum(
            feed.topic.total - seen - (0 if all_of_it else len(feed.topic))
            for feed, seen in self.marks()
            if all_of_it or feed.topic.trimmed > self.at
        )

    def pass_batch(self, last: int, events: int) -> None:
        """Go on after a batch of the only marked feed. Without the lock: a mark too many is fine.

        :param last: the sequence of the batch's last entry
        :param events: how many entries it has
        """
        assert self.feed is not None
        self.at = last
        if self.feed.topic.newest <= last:
            self.feed = None
        else:
            self._seen += events

    def move(self, at: int) -> None:
        """Go on after ``at``, and keep the marks of the feeds that have more."""
        if self._merge is not None and self._merge.at == self.at:
            passed = self._merge.pass_to(at)
            if passed:
                self.at = at
                self._pass(passed)
                return
        marks = [
            (feed, feed.topic.total - feed.topic.count_after(at))
            for feed, _ in self.marks()
            if feed.topic.newest > at
        ]
        self.at = at
        self.clear()
        for feed, seen in marks:
            self.mark(feed, seen)

    def _pass(self, passed: Iterable[Entry]) -> None:
        """Count entries that lie behind now, and take away the marks of feeds that have no more."""
        assert self.feeds is not None
        for name, count in Counter(entry.topic for entry in passed).items():
            feed = self.feeds.feed(name)
            has_more = feed.topic.newest > self.at
            if feed is not self.feed:
                seen = self._others.pop(feed)
                if has_more:
                    self._others[feed] = seen + count
            elif has_more:
                self._seen += count
            elif self._others:
                self.feed, self._seen = self._others.popitem()
            else:
                self.feed = None
        if not self._others:
            self._merge = None  # the feed that is left is read by itself

    @property
    def backlog(self) -> int:
        """How many entries of the log, of whatever topic, lie between the place and the horizon."""
        return 0 if self.feeds is None else max(0, self.feeds.horizon - self.at)

    def end(self, lifetimes: Lifetimes) -> int | None:
        """Return the sequence of the last entry, when no feed has a mark; None: more may come.

        After an end beyond the horizon it is asked again, since that entry is still to be marked.
        """
        if self.feeds is None or not self.may_end:
            return None
        last = lifetimes.last_of(self.topics)
        self.may_end = last is not None and last <= self.feeds.horizon
        return last if self.may_end else None

    # -- waking ------------------------------------------------------------------------------------

    def when_woken(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once, at the next mark; None: call nothing any more."""
        self._wake = wake

    def wake(self) -> None:
        """Wake the subscriber if it waits."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def wake_soon(self) -> None:
        """Wake the subscriber in its event loop; from any thread."""
        if self.feeds is not None:
            with suppress(RuntimeError):  # that event loop is gone
                self.feeds.event_loop.call_soon(self.wake)
