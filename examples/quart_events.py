# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "quart", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Quart: a response from a view, and a sub-app beside the application.

Run: python examples/quart_events.py    Try: curl -N localhost:8000/events?name=a
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from quart import Quart, request

from sse_asgi import Connection, EventSourceApp
from sse_asgi.adapters.quart import EventSourceResponse

quart = Quart(__name__)


async def ticks(name: str) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await asyncio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


@quart.get("/")
async def index() -> str:
    return "an ordinary route"


@quart.get("/events")
async def events() -> EventSourceResponse:
    return EventSourceResponse(ticks(request.args.get("name", "events")))


def beside(connection: Connection) -> AsyncIterator[dict[str, str]]:
    return ticks(connection.query.get("name", "beside"))


sub_app = EventSourceApp(beside)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route one path past Quart, on any server."""
    is_beside = scope["type"] == "http" and scope["path"] == "/beside"
    await (sub_app if is_beside else quart)(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
