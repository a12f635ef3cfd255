# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Starlette: the drop-in response, sub-apps under Mount and Route, other routes beside them.

Run: python examples/starlette_events.py    Try: curl -N localhost:8000/rooms/red/
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.adapters.starlette import EventSourceResponse


async def ticks(room: str, start: int = 0) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(start, 1000):
            yield {"event": "tick", "data": f"{room} {number}", "id": str(number)}
            await anyio.sleep(0.5)
    finally:
        print(f"{room} closed", flush=True)


async def events(request: Request) -> EventSourceResponse:
    return EventSourceResponse(ticks("events"), ping=15)


def room(connection: Connection) -> AsyncIterator[dict[str, str]]:
    name = connection.path_params.get("room", connection.state["house"])
    return ticks(name, int(connection.last_event_id or -1) + 1)


async def index(request: Request) -> PlainTextResponse:
    return PlainTextResponse("an ordinary route")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    yield {"house": "blue"}


routes = [
    Route("/", index),
    Route("/events", events),
    Route("/house", EventSourceApp(room)),
    Mount("/rooms/{room}", EventSourceApp(room)),
]
app = Starlette(lifespan=lifespan, routes=routes)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
