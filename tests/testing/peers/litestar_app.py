"""Litestar's ServerSentEvent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

from litestar import Litestar, get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from .trace import Trace

__all__ = ["make_app"]


def make_app(trace: Trace) -> Litestar:
    """Return an app that streams with Litestar's ServerSentEvent."""

    async def ticks() -> AsyncIterator[ServerSentEventMessage]:
        with trace:
            for number in count():
                yield ServerSentEventMessage(id=number, data=f"tick {number}")
                await trace.pause(number)

    @get("/ticks")
    async def endpoint() -> ServerSentEvent:
        return ServerSentEvent(ticks())

    return Litestar([endpoint], openapi_config=None)
