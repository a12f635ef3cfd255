"""A Quart response with an asynchronous generator and no time limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

from quart import Quart, Response

from .trace import Trace

__all__ = ["make_app"]


def make_app(trace: Trace) -> Quart:
    """Return an app that streams without a time limit."""
    app = Quart(__name__)

    async def ticks() -> AsyncIterator[bytes]:
        with trace:
            for number in count():
                yield b"id: %d\ndata: tick %d\n\n" % (number, number)
                await trace.pause(number)

    @app.get("/ticks")
    async def endpoint() -> Response:
        response = Response(ticks(), content_type="text/event-stream")
        response.timeout = None
        return response

    return app
