# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Pings of your own, a small protocol on top of events, and errors that the page can read.

Run: python examples/04_advanced_features.py
Try: curl -N localhost:8000/quiet, and curl -N "localhost:8000/upload?version=1", and /failing
"""

import os
import time
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal, ServerSentEvent, done

VERSION = "1"
PARTS = ("once", "upon", "a", "time")


def heartbeat() -> ServerSentEvent:
    return ServerSentEvent({"time": time.time()}, event="heartbeat")  # a comment is invisible in JS


async def quiet(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent("hello")
    await anyio.sleep_forever()


async def upload(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    """Follow the protocol: hello, then numbered parts, then done with their number."""
    if (version := connection.query.get("version")) != VERSION:
        raise Refusal(400, f"this server speaks version {VERSION}, not {version}")
    start = int(connection.last_event_id or 0)
    yield ServerSentEvent({"version": VERSION, "from": start, "parts": len(PARTS)}, event="hello")
    for number, part in enumerate(PARTS[start:], start + 1):
        yield ServerSentEvent({"part": part}, event="part", id=str(number))
    yield done({"parts": len(PARTS)})


async def failing(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent("the first half", id="1")
    raise ConnectionError("the disk has gone")


def failure(error: Exception) -> ServerSentEvent:
    # The name "error" is taken: EventSource has its own event of that name.
    return ServerSentEvent({"kind": type(error).__name__, "reason": str(error)}, event="failure")


routes = [
    Route("/quiet", EventSourceApp(quiet, ping=0.5, ping_message=heartbeat)),
    Route("/upload", EventSourceApp(upload)),
    Route("/failing", EventSourceApp(failing, on_error=failure)),
]
app = Starlette(routes=routes)
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
