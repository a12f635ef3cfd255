"""One subscriber: the content of one client's stream."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Final

import anyio
from anyio import EndOfStream

from ..wire import EncodedBatch
from ..wire.batch import joined
from .cursor import Cursor
from .feed import Joined, LoopFeeds
from .log.entry import Entry
from .log.reader import LogReader
from .replay import Beginning, Replay
from .selection import Selection

__all__ = ["Subscription"]

_AT_ONCE: Final = 512
"""Entries that are looked at before the event loop gets a turn."""


class Subscription(AsyncIterator[EncodedBatch]):
    """The content of one client's stream: the events that it missed, then each that comes.

    It begins with an event named ``position``, whose ID says where the client stands even if
    nothing follows: ``{"resumed": true, "missed": 3}``. A client for which nothing comes for long
    gets another one before the log forgets its ID. Where something cannot be replayed there is an
    event named ``gap``: ``{"reason": "too-slow", "lost": 17}``; a number that nobody knows is null.

    It ends when all of its topics have ended and nothing of them is left. A client that comes back
    with the ID of the last event is refused: the first step raises ``Refusal(204)``.

    :meth:`Hub.subscribe` makes it, for one stream.
    """

    __slots__ = (
        "__weakref__",
        "_cursor",
        "_ended",
        "_feeds",
        "_is_claimed",
        "_is_live",
        "_reader",
        "_ready",
        "_replay",
        "_selection",
    )

    def __init__(
        self,
        reader: LogReader,
        feeds: Callable[[], LoopFeeds],
        selection: Selection,
        beginning: Beginning,
    ) -> None:
        position = reader.history.position
        self._reader = reader
        self._feeds = feeds
        self._selection = selection
        self._cursor = cursor = Cursor(selection.topics, 0 if position is None else position[1])
        self._replay = Replay(reader, cursor, beginning, selection.takes_all, cursor.wake_soon)
        self._is_live = False  # whether it has caught up once, so that its marks tell everything
        self._ready: anyio.Event | None = None
        self._is_claimed = False
        self._ended = False

    @property
    def topics(self) -> frozenset[str]:
        """The topics that it follows."""
        return self._cursor.topics

    # -- as ready content --------------------------------------------------------------------------

    def claim(self) -> None:
        """Take the subscription as the content of one stream.

        :raises RuntimeError: it is the content of another stream
        """
        if self._is_claimed:
            raise RuntimeError(
                "the subscription is the content of another stream: subscribe for each connection"
            )
        self._is_claimed = True

    def take(self) -> EncodedBatch | None:
        """Return all that is ready, joined, about 64 KiB of it; None when nothing is ready yet.

        :raises EndOfStream: there will be nothing more
        :raises Refusal: the client has the last event of all topics (204)
        :raises RuntimeError: the hub's backend failed
        """
        cursor, history = self._cursor, self._reader.history
        if self._ended or self._replay.has_ended:
            raise EndOfStream
        feeds = cursor.feeds or self._join()
        if feeds.has_news:
            feeds.advance()
        if history.failure is not None:
            raise RuntimeError("the backend of the hub failed") from history.failure
        if cursor.is_restarted:
            cursor.is_restarted = self._is_live = False
        if self._is_live and self._replay.epoch == history.epoch:
            feed = cursor.feed
            if feed is None:
                if self._selection.has_collected:
                    return self._send_latest()
                return self._idle() if cursor.may_end or cursor.is_stale else None
            if cursor.has_one_mark and self._selection.takes_all:
                # The next one of a thousand that stand at the same place: no lock, no search.
                known = feed.known_after(cursor.at)
                if known is not None:
                    self._pass(known)
                    return known.batch
        return self._search()

    def when_ready(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once, in this event loop, when :meth:`take` may have something.

        :param wake: None: call nothing any more
        """
        cursor = self._cursor
        cursor.when_woken(wake)
        if wake is not None and cursor.feeds is not None and self._has_more():
            cursor.feeds.event_loop.call_soon(cursor.wake)

    def _has_more(self) -> bool:
        """Whether there is something to take without being woken; without the lock."""
        replay, history = self._replay, self._reader.history
        if self._ended or self._selection.has_collected or replay.has_ended:
            return True
        if replay.is_asking or not replay.has_begun:
            return False
        cursor = self._cursor
        is_elsewhere = replay.epoch != history.epoch or history.failure is not None
        has_news = cursor.feed is not None or cursor.is_stale or cursor.may_end
        return has_news or not self._is_live or cursor.is_restarted or is_elsewhere

    async def aclose(self) -> None:
        """End the subscription; in any event loop, also while its stream waits."""
        self._ended = True
        feeds = self._cursor.feeds
        self._cursor.owner = None
        if feeds is not None:
            feeds.leave(self._cursor)
            if feeds.event_loop.is_running_here:
                self._cursor.wake()
            else:
                self._cursor.wake_soon()

    # -- as an asynchronous iterator ---------------------------------------------------------------

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> EncodedBatch:
        while True:
            try:
                batch = self.take()
            except EndOfStream:
                raise StopAsyncIteration from None
            if batch is not None:
                return batch
            if self._ready is None or self._ready.is_set():
                self._ready = anyio.Event()
                self.when_ready(self._ready.set)
            await self._ready.wait()  # with any other task that waits for the same subscription

    # ----------------------------------------------------------------------------------------------

    def _join(self) -> LoopFeeds:
        cursor = self._cursor
        cursor.feeds = feeds = self._feeds()
        feeds.join(cursor, cursor.topics)
        # The feeds hold the cursor. A subscription that is dropped without being closed takes it
        # along.
        cursor.owner = weakref.ref(self, lambda _: feeds.desert(cursor))
        return feeds

    def _pass(self, known: Joined) -> None:
        """Go on after a batch of the only marked feed."""
        cursor = self._cursor
        cursor.sent = known.last
        cursor.is_stale = False
        cursor.pass_batch(known.last, known.batch.events)

    def _idle(self) -> EncodedBatch | None:
        """Return a newer position if the client needs one, now that no entry is left.

        It needs one that is not forgotten soon, and one that is not before the end of its topics.
        """
        cursor, history = self._cursor, self._reader.history
        with history.lock:
            if cursor.feeds is None or cursor.feed is not None:
                return None
            newest = history.tip if cursor.is_stale else 0
            if (last := cursor.end(history.lifetimes)) is not None:
                newest = last
                if cursor.sent >= last:
                    self._replay.has_ended = True
                    raise EndOfStream
            cursor.is_stale = False
            if cursor.sent >= newest:
                return None
            cursor.at = cursor.feeds.horizon
            return self._replay.position(0)

    def _search(self) -> EncodedBatch | None:
        """Look for the next batch: an event of the hub's, or entries."""
        with self._reader.history.lock:
            step = self._replay.step()
            if step is not None or not self._replay.has_begun or self._replay.has_ended:
                self._is_live = False
                return step
            page = self._replay.page
            if not page:
                if not self._is_live and not self._replay.is_in_memory():
                    return self._replay.overtaken()
                self._is_live = True
                if not self._cursor.is_whole():
                    self._is_live = False
                    return self._replay.overtaken()
                if self._selection.takes_all and self._cursor.has_one_mark:
                    return self._join_next()
                entries = self._cursor.entries(_AT_ONCE)
            else:
                entries = page[:_AT_ONCE]
        return self._choose(entries, page)

    def _join_next(self) -> EncodedBatch | None:
        cursor = self._cursor
        feed = cursor.feed
        assert feed is not None and cursor.feeds is not None
        first = next(feed.topic.after(cursor.at), None)
        if first is None:
            cursor.clear()
            return None
        if first.sequence > cursor.feeds.horizon:
            return None
        known = feed.join_after(cursor.at)
        self._pass(known)
        return known.batch

    def _choose(self, entries: list[Entry], page: list[Entry]) -> EncodedBatch | None:
        """Select from ``entries``, and move on; not under the lock.

        A filter is the user's own code, and may take its time.
        """
        chosen = self._selection.of(entries)
        last = entries[-1].sequence if entries else self._cursor.at
        batch = None
        if self._selection.keeps_latest:
            self._selection.collect(chosen)
        elif chosen:
            batch = joined(entry.block for entry in chosen)
            if batch.events < len(chosen):
                last = chosen[batch.events - 1].sequence
        self._move(last, page)
        if batch is not None:
            self._cursor.sent = chosen[batch.events - 1].sequence
            self._cursor.is_stale = False
        elif self._is_live and self._cursor.feed is None:
            return self._send_latest() if self._selection.has_collected else self._idle()
        return batch

    def _send_latest(self) -> EncodedBatch:
        """Send the newest entries of a backlog by key, now that all of it was looked at."""
        entries = list(islice(self._selection.collected(), _AT_ONCE))
        batch = joined(entry.block for entry in entries)
        self._selection.drop(batch.events)
        self._cursor.sent = entries[batch.events - 1].sequence
        return batch

    def _move(self, last: int, page: list[Entry]) -> None:
        with self._reader.history.lock:
            if self._replay.epoch != self._reader.history.epoch:
                return
            if page:
                self._replay.page = [entry for entry in page if entry.sequence > last]
                self._cursor.at = last
            else:
                self._cursor.move(last)

    @property
    def backlog(self) -> int:
        """How many entries of the log it has not passed yet, of whatever topic."""
        if not self._replay.has_begun or (self._is_live and self._cursor.feed is None):
            return 0
        return max(0, self._reader.history.tip - self._cursor.at)
