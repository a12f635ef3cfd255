"""One subscriber: the content of one client's stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import anyio
from anyio import EndOfStream

from ..wire import EncodedBatch
from .cursor import Cursor, OnGap
from .feed import Feed
from .selection import Selection

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Subscription"]


class Subscription(Cursor, AsyncIterator[EncodedBatch]):
    """The content of one client's stream: what it missed, then what comes, joined as it is ready.

    It begins with an event named ``position``, whose ID says where the client stands even if
    nothing follows: ``{"resumed": true, "missed": 3}``. Where something cannot be replayed there
    is an event named ``gap``: ``{"reason": "too-slow", "lost": 17}``; what nobody knows is null.
    Made by :meth:`Hub.subscribe`.
    """

    __slots__ = ("__weakref__", "_wake")

    def __init__(
        self, hub: Hub, selection: Selection, last_event_id: str | None, on_gap: OnGap
    ) -> None:
        super().__init__(hub, selection, last_event_id, on_gap)
        self._wake: Callable[[], object] | None = None

    def take(self) -> EncodedBatch | None:
        """Return all that is ready, joined, about 64 KiB of it; None when nothing is.

        :raises EndOfStream: there will be nothing more
        :raises RuntimeError: the hub's backend failed
        """
        if self._ended:
            raise EndOfStream
        channel = self._channel or self._join()
        history = self._hub.history
        if history.failure is not None:
            raise RuntimeError("the backend of the hub failed") from history.failure
        if self._epoch == history.epoch and self._begun:
            if self._at >= channel.newest:
                return None
            latest = channel.latest
            if latest is not None and latest[0] == self._at and self._live:
                # The next one of a thousand that stand at the same place: no lock, no look.
                self._at = latest[2]
                self._seen += latest[1].events
                return latest[1]
        while True:
            with history.lock:
                found = self._look(channel)
            if not isinstance(found, list):
                return found
            batch = self.select(found)
            if batch is not None:
                return batch

    def when_ready(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once, in this event loop, when :meth:`take` has something, or had.

        :param wake: None: call nothing any more
        """
        channel, audience = self._channel, self._audience
        if wake is None:
            self._wake = None
            if channel is not None:
                channel.waiting.pop(self, None)
        elif channel is not None and not self._has_more(channel):
            channel.waiting[self] = wake
        elif audience is not None:  # what there is may be the end: it may have been closed
            self._wake = wake
            audience.event_loop.call_soon(self.wake)

    def wake(self) -> None:
        """Tell whoever waits that there is something, or was."""
        wake, self._wake = self._wake, None
        if self._channel is not None:
            wake = self._channel.waiting.pop(self, wake)
        if wake is not None:
            wake()

    async def __anext__(self) -> EncodedBatch:
        while True:
            try:
                batch = self.take()
            except EndOfStream:
                raise StopAsyncIteration from None
            if batch is not None:
                return batch
            ready = anyio.Event()
            self.when_ready(ready.set)
            try:
                await ready.wait()
            finally:
                self.when_ready(None)

    async def aclose(self) -> None:
        """End the subscription."""
        self._ended = True
        self.wake()
        channel, self._channel = self._channel, None
        if channel is not None and self._audience is not None:
            with self._hub.history.lock:
                self._audience.leave(self, channel)

    def _join(self) -> Feed:
        self._audience = audience = self._hub.audience()
        with self._hub.history.lock:
            self._channel = channel = audience.join(self, self.topics)
        return channel
