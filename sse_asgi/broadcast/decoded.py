"""Content of a hub, read event by event on the server."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from ..wire import EncodedBatch, EventDecoder, MessageEvent

__all__ = ["Batches", "decoded"]


class Batches(Protocol):
    """Content that a hub makes: a subscription, or a run that is followed."""

    def __aiter__(self) -> AsyncIterator[EncodedBatch]: ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def decoded(content: Batches) -> AsyncIterator[AsyncGenerator[MessageEvent]]:
    """Read the events of ``content`` on the server, to send them in another form, for example::

        async with decoded(runs.follow(run)) as events:
            async for event in events:
                yield {"data": translated(event.json())}

    The events that a hub adds (``position``, ``gap``) are among them. The content is closed at the
    end of the block. The events are those of this process's hub, so their size has no limit.

    :param content: a subscription, or a run that is followed
    :raises Exception: the one that ``content`` raised, such as a :exc:`~sse_asgi.Refusal`
    """
    async with aclosing(content), aclosing(_events(content)) as events:
        yield events


async def _events(content: Batches) -> AsyncGenerator[MessageEvent]:
    decoder = EventDecoder(max_event_size=sys.maxsize)
    async for batch in content:
        for event in decoder.feed(batch.body):
            yield event
