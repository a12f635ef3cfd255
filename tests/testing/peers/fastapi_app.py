"""FastAPI's own event streams."""

from __future__ import annotations

from collections.abc import AsyncIterable
from itertools import count

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from .trace import Trace

__all__ = ["make_app"]


def make_app(trace: Trace) -> FastAPI:
    """Return an app whose path operation yields events."""
    app = FastAPI()

    @app.get("/ticks", response_class=EventSourceResponse)
    async def ticks() -> AsyncIterable[ServerSentEvent]:
        with trace:
            for number in count():
                yield ServerSentEvent(id=str(number), raw_data=f"tick {number}")
                await trace.pause(number)

    return app
