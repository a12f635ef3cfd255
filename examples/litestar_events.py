# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "litestar", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Litestar: a response from a route handler, an ASGI app returned from one, and a mounted one.

Run: python examples/litestar_events.py    Try: curl -N localhost:8000/events
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import anyio
import uvicorn
from litestar import Litestar, Request, asgi, get
from litestar.types import ASGIApp, Receive, Scope, Send

from sse_asgi import Connection, EventSourceApp, EventStream
from sse_asgi.adapters.litestar import EventSourceResponse


async def ticks(name: str) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await anyio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


@get("/")
async def index() -> str:
    return "an ordinary route"


@get("/events", media_type="text/event-stream")
async def events(request: Request[Any, Any, Any]) -> EventSourceResponse:
    return EventSourceResponse(ticks(request.query_params.get("name", "events")))


@get("/returned")
async def returned() -> ASGIApp:
    return EventStream(ticks("returned"))


def mounted(connection: Connection) -> AsyncIterator[dict[str, str]]:
    return ticks(connection.query.get("name", "mounted"))


stream = EventSourceApp(mounted)


@asgi("/mounted", is_mount=True, copy_scope=True)
async def mount(scope: Scope, receive: Receive, send: Send) -> None:
    await stream(scope, receive, send)


app = Litestar([index, events, returned, mount])


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
