"""What the checks have in common: a hub that runs, a client that reads, a failure that explains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import anyio

from ...broadcast import Backend, Hub, Subscription
from ...wire import EventDecoder, MessageEvent

__all__ = ["WAIT", "Client", "NewBackend", "data", "equal", "gaps", "running"]

NewBackend: TypeAlias = Callable[[], Backend]
"""Returns a new backend; all of one check are on one log, if the log can be shared."""

WAIT: Final = 10.0
"""Seconds after which a check that still waits has failed."""


@asynccontextmanager
async def running(new_backend: NewBackend) -> AsyncIterator[Hub]:
    """Run a hub whose process has reached the log."""
    async with Hub(new_backend()) as hub:
        client = Client(hub, "a topic of nobody")
        await client.next()
        await client.leave()
        yield hub


def equal(found: object, wanted: object, what: str) -> None:
    """Compare.

    :raises AssertionError: both differ
    """
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, not {wanted!r}")


class Client:
    """Reads a subscription as a browser does."""

    def __init__(self, hub: Hub, *topics: str, **options: Any) -> None:
        self.subscription: Subscription = hub.subscribe(*topics, **options)
        self._decoder = EventDecoder()

    async def next(self) -> list[MessageEvent]:
        """Return the events that come next.

        :raises StopAsyncIteration: the stream has ended
        :raises TimeoutError: nothing comes
        """
        with anyio.fail_after(WAIT):
            return self._decoder.feed((await anext(self.subscription)).body)

    async def until(self, last: str) -> list[MessageEvent]:
        """Return all events up to the one with this data.

        :raises TimeoutError: it does not come
        """
        events: list[MessageEvent] = []
        while not any(event.data == last for event in events):
            events += await self.next()
        return events

    async def rest(self) -> list[MessageEvent]:
        """Return all events up to the end of the stream."""
        events: list[MessageEvent] = []
        while True:
            try:
                events += await self.next()
            except StopAsyncIteration:
                return events

    async def leave(self) -> None:
        """End the subscription."""
        await self.subscription.aclose()

    @property
    def last_event_id(self) -> str:
        """The ID with which the client comes back."""
        return self._decoder.last_event_id


def data(events: list[MessageEvent]) -> list[str]:
    """Return the data of the events that were published."""
    return [event.data for event in events if event.event not in ("position", "gap")]


def gaps(events: list[MessageEvent]) -> list[Any]:
    """Return the data of the gaps."""
    return [event.json() for event in events if event.event == "gap"]
