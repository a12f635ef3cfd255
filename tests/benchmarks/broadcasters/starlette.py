"""Starlette: a queue per client, made by hand, whose bytes go into a StreamingResponse."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened

from .queues import Queues

__all__ = ["BROADCASTER"]


def _make() -> Broadcast:
    queues: Queues[bytes] = Queues()

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(queues.follow(), media_type="text/event-stream")

    async def publish(text: str, count: int) -> None:
        queues.put(f"data: {text}\n\n".encode(), count)

    return Broadcast(Starlette(routes=[Route("/", endpoint)]), publish)


BROADCASTER = Broadcaster("starlette", opened(_make))
