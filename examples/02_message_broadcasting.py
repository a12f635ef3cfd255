# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""One event to many: a hub sends each message to all subscribers of its topic.

Run: python examples/02_message_broadcasting.py
Try: curl -N "localhost:8000/events?topics=news,clock" in two windows, and
     curl -d hello localhost:8000/topics/news
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, MemoryBackend, Subscription

hub = Hub(MemoryBackend(max_events=1000, max_age=600))  # a client gets missed events


async def tell_the_time() -> None:
    seconds = 0
    while True:
        await hub.publish("clock", {"event": "clock", "data": {"seconds": seconds}})
        await anyio.sleep(1)
        seconds += 1


async def publish(request: Request) -> PlainTextResponse:
    text = (await request.body()).decode("utf-8", "replace")
    message = {"event": "message", "data": {"text": text}}
    return PlainTextResponse(await hub.publish(request.path_params["topic"], message))


def listen(connection: Connection) -> Subscription:
    topics = connection.query.get("topics", "news").split(",")
    return hub.subscribe(*filter(None, topics), last_event_id=connection.last_event_id)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with hub, anyio.create_task_group() as tasks:
        tasks.start_soon(tell_the_time)
        yield
        tasks.cancel_scope.cancel()


routes = [
    Route("/topics/{topic}", publish, methods=["POST"]),
    Route("/events", EventSourceApp(listen)),
]
app = Starlette(lifespan=lifespan, routes=routes)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
