"""News of a history for the subscribers of one event loop.

A publisher, in any thread, only *notes* which topics have news: that costs the same for one
subscriber and for ten thousand. The event loop then *advances*: it takes the noted topics, moves
its horizon to the end of the log, and marks each subscriber of these topics. A subscriber reads up
to the horizon only, so it can rely on its marks: a topic without a mark has nothing for it.

The cost of an event therefore depends on the number of subscribers that get it, and neither on how
many topics each of them follows nor on how many others there are.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final, Protocol

from ..runtime.eventloop import EventLoop
from ..wire import EncodedBatch, SharedBlock, SharedStream
from ..wire.batch import joined
from .log.entry import Entry
from .log.history import History
from .log.topics import Topic

__all__ = ["Feed", "Joined", "LoopFeeds", "Marked"]

_MOST_ENTRIES: Final = 512
"""Entries that are joined at most. A batch is bounded by bytes, too."""


class Marked(Protocol):
    """A subscriber's place, as its feeds see it."""

    sent: int
    """The sequence that its client would come back with."""

    @property
    def backlog(self) -> int:
        """How many entries of the log lie between the place and the horizon."""

    def mark(self, feed: Feed, seen: int) -> None:
        """Take note that ``feed`` has news, after ``seen`` entries; wake the subscriber."""

    def note_end(self) -> None:
        """Take note that one of its topics has ended."""

    def ask_for_position(self) -> None:
        """Take note that the client needs a newer position; wake the subscriber."""

    def restart(self) -> None:
        """Take note that the history has begun anew, or has failed; wake the subscriber."""


class Feed:
    """One topic, for the subscribers of one event loop. Those at the same place share the bytes."""

    __slots__ = ("_feeds", "_latest", "_stream", "is_noted", "places", "seen", "topic")

    def __init__(self, feeds: LoopFeeds, topic: Topic) -> None:
        self._feeds = feeds
        self._latest: Joined | None = None
        self._stream: SharedStream | None = None
        self.topic: Topic = topic
        self.is_noted: bool = False
        self.seen: int = topic.total
        """How many entries the topic had at the horizon."""
        self.places: dict[Marked, None] = {}
        """The places of its subscribers, in the order in which they are told of news."""

    def note(self) -> None:
        """Take note of a new entry; under the lock, in any thread."""
        if not self.is_noted:
            self.is_noted = True
            self._feeds.note(self)

    def mark(self, seen: int) -> None:
        """Tell its subscribers of news, after ``seen`` entries."""
        # A copy, made in one step: a subscription may be closed in another thread meanwhile.
        places = list(self.places)
        if self.topic.has_ended:
            for place in places:
                place.note_end()
        for place in places:
            place.mark(self, seen)

    def restart(self) -> None:
        """Let go of what was joined from an earlier life of the log."""
        self._latest = self._stream = None

    def known_after(self, at: int) -> Joined | None:
        """Return what was joined last if it is the next batch after ``at``; without the lock."""
        latest = self._latest
        return latest if latest is not None and latest.before <= at < latest.first else None

    def join_after(self, at: int) -> Joined:
        """Join the next batch of the topic's entries, of which there is one; under the lock."""
        known = self.known_after(at)
        if known is None:
            horizon = self._feeds.horizon
            entries: list[Entry] = []
            for entry in self.topic.after(at):
                if entry.sequence > horizon or len(entries) >= _MOST_ENTRIES:
                    break
                entries.append(entry)
            batch = joined(entry.block for entry in entries)
            before, last = self.topic.before(at), entries[batch.events - 1].sequence
            if len(self.places) > 1:
                batch = self._shared(batch, before, entries)
            known = Joined(before, entries[0].sequence, batch, last)
            if len(self.places) > 1:
                self._latest = known
        return known

    def _shared(self, batch: EncodedBatch, before: int, entries: list[Entry]) -> EncodedBatch:
        if batch.isolated:
            return batch
        if self._stream is None:
            self._stream = SharedStream()
        blocks = [(entry.sequence, entry.block) for entry in entries[: batch.events]]
        return batch._replace(body=SharedBlock.of(batch.body, self._stream, before, blocks))


class Joined:
    """A batch of one topic, for every place from ``before`` up to its ``first`` entry."""

    __slots__ = ("batch", "before", "first", "last")

    def __init__(self, before: int, first: int, batch: EncodedBatch, last: int) -> None:
        self.before: int = before
        self.first: int = first
        self.batch: EncodedBatch = batch
        self.last: int = last


class LoopFeeds:
    """All feeds of one history in one event loop (a :class:`~.history.View`)."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.event_loop: EventLoop = EventLoop()
        self.horizon: int = 0
        """The sequence up to which every subscriber is marked."""
        self.places: dict[Marked, frozenset[str]] = {}
        self._feeds: dict[str, Feed] = {}
        self._noted: list[Feed] = []
        self._restarted = self._refreshes = False
        self._is_scheduled = False
        self._deserted: deque[Marked] = deque()

    # -- in the event loop's thread ----------------------------------------------------------------

    def join(self, place: Marked, topics: frozenset[str]) -> None:
        """Mark ``place`` whenever one of ``topics`` has news."""
        self.advance()
        with self.history.lock:
            if not self.places:
                self.history.watch(self)
                self.horizon = self.history.tip
            self.places[place] = topics
            for name in topics:
                self._feed(name).places[place] = None
            if self.horizon < self.history.tip:
                self._schedule()  # what came meanwhile was noted by no feed of these topics

    def leave(self, place: Marked) -> None:
        """Mark ``place`` no more."""
        with self.history.lock:
            self._leave(place)

    def desert(self, place: Marked) -> None:
        """Mark ``place`` no more, soon: its subscription was dropped without being closed.

        The garbage collector calls this, in any thread and even under the lock.
        """
        self._deserted.append(place)

    def feeds(self, topics: frozenset[str]) -> list[Feed]:
        """Return the feeds of ``topics``; under the lock."""
        return [self._feeds[name] for name in topics]

    def feed(self, name: str) -> Feed:
        """Return the feed of a topic that somebody follows; under the lock."""
        return self._feeds[name]

    @property
    def has_news(self) -> bool:
        """Whether something was noted since the last :meth:`advance`."""
        return self._is_scheduled

    def advance(self) -> None:
        """Move the horizon to the end of the log, and mark the subscribers that have news."""
        with self.history.lock:
            while self._deserted:
                self._leave(self._deserted.popleft())
            noted, self._noted = self._noted, []
            restarted, self._restarted = self._restarted, False
            refreshes, self._refreshes = self._refreshes, False
            self._is_scheduled = False
            self.horizon = self.history.tip
            middle = self.history.middle if refreshes else 0
            news = []
            for feed in noted:
                feed.is_noted = False
                news.append((feed, feed.seen))
                feed.seen = feed.topic.total
        for feed, seen in news:
            feed.mark(seen)
        if refreshes:
            for place in list(self.places):
                if place.sent < middle:
                    place.ask_for_position()
        if restarted:
            for place in list(self.places):
                place.restart()

    def _feed(self, name: str) -> Feed:
        feed = self._feeds.get(name)
        if feed is None:
            topic = self.history.topics.topic(name)
            feed = self._feeds[name] = Feed(self, topic)
            topic.followers.append(feed)
        return feed

    def _leave(self, place: Marked) -> None:
        for name in self.places.pop(place, ()):
            feed = self._feeds[name]
            del feed.places[place]
            if not feed.places:
                self._drop(name, feed)
        if not self.places:
            self.history.unwatch(self)

    def _drop(self, name: str, feed: Feed) -> None:
        del self._feeds[name]
        feed.topic.followers.remove(feed)
        self.history.topics.forget_if_unused(name, feed.topic)

    # -- under the history's lock, in any thread ---------------------------------------------------

    def note(self, feed: Feed) -> None:
        """Advance soon, since ``feed`` has a new entry."""
        self._noted.append(feed)
        self._schedule()

    def restart(self) -> None:
        """Wake every subscriber soon: the history begins anew, or has failed."""
        for feed in self._feeds.values():
            feed.restart()
            feed.seen = feed.topic.total
        self._restarted = True
        self._schedule()

    def refresh(self) -> None:
        """Ask each subscriber soon whose client has a position that will be forgotten."""
        self._refreshes = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                self.event_loop.call_soon(self.advance)
            except RuntimeError:
                self._abandon()

    def _abandon(self) -> None:
        """Let go of everything: the event loop is gone, and its subscribers with it."""
        self.places.clear()
        self.history.unwatch(self)
        for name, feed in list(self._feeds.items()):
            with suppress(ValueError):
                self._drop(name, feed)

    @property
    def subscribers(self) -> list[Marked]:
        """The places of all subscribers that have not been dropped."""
        with self.history.lock:  # another thread may ask
            return [place for place in self.places if place not in self._deserted]
