"""What a client makes of a subscription's bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio import EndOfStream

from sse_asgi import EventDecoder, MessageEvent
from sse_asgi.broadcast import Subscription

WAIT = 5.0
"""Seconds after which a test that still waits has failed."""


class Reader:
    """Reads one subscription as a client does."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.ended = False
        self._decoder = EventDecoder()

    def ready(self) -> list[MessageEvent]:
        """Return what is there, without waiting."""
        found: list[MessageEvent] = []
        while not self.ended:
            try:
                batch = self.subscription.take()
            except EndOfStream:
                self.ended = True
                break
            if batch is None:
                break
            events = self._decoder.feed(batch.body)
            assert len(events) == batch.events
            found += events
        return found

    async def next(self) -> list[MessageEvent]:
        """Wait for what comes next."""
        with anyio.fail_after(WAIT):
            return self._decoder.feed((await anext(self.subscription)).body)

    async def until(self, enough: Callable[[MessageEvent], object]) -> list[MessageEvent]:
        """Read until an event is the one that was waited for."""
        found: list[MessageEvent] = []
        with anyio.fail_after(WAIT):
            while not any(enough(event) for event in found):
                found += await self.next()
        return found

    @property
    def last_event_id(self) -> str:
        """What the client would come back with."""
        return self._decoder.last_event_id


def data(events: list[MessageEvent]) -> list[str]:
    """Return the data of the events that were published."""
    return [event.data for event in events if event.event not in ("position", "gap")]


def gaps(events: list[MessageEvent]) -> list[Any]:
    """Return what the gap events say."""
    return [event.json() for event in events if event.event == "gap"]
