"""Starlette's StreamingResponse, and sse-starlette's response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from .trace import Trace

__all__ = ["make_app", "make_sse_starlette_app"]


def make_app(trace: Trace) -> Starlette:
    """Return an app that streams with a plain StreamingResponse."""

    async def ticks() -> AsyncIterator[str]:
        with trace:
            for number in count():
                yield f"id: {number}\ndata: tick {number}\n\n"
                await trace.pause(number)

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(ticks(), media_type="text/event-stream")

    return Starlette(routes=[Route("/ticks", endpoint)])


def make_sse_starlette_app(trace: Trace) -> Starlette:
    """Return an app that streams with sse-starlette's EventSourceResponse."""

    async def ticks() -> AsyncIterator[dict[str, str]]:
        with trace:
            for number in count():
                yield {"id": str(number), "data": f"tick {number}"}
                await trace.pause(number)

    async def endpoint(request: Request) -> EventSourceResponse:
        return EventSourceResponse(ticks())

    return Starlette(routes=[Route("/ticks", endpoint)])
