"""FastAPI's own event streams, with a queue per client."""

from __future__ import annotations

from collections.abc import AsyncIterable

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened

from .queues import Queues

__all__ = ["BROADCASTER"]


def _make() -> Broadcast:
    app = FastAPI()
    queues: Queues[ServerSentEvent] = Queues()

    async def events() -> AsyncIterable[ServerSentEvent]:
        async for event in queues.follow():
            yield event

    async def publish(text: str, count: int) -> None:
        queues.put(ServerSentEvent(raw_data=text), count)

    app.get("/", response_class=EventSourceResponse)(events)
    return Broadcast(app, publish)


BROADCASTER = Broadcaster("fastapi", opened(_make))
