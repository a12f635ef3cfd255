# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "coredis", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Two workers, one log in Redis: whichever worker a client reaches, it gets every event once.

Run: REDIS_URL=redis://localhost python examples/two_workers.py
Try: curl -N localhost:8000/events    and: curl -d hello localhost:8000/say
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, Subscription
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

backend = RedisBackend(os.environ.get("REDIS_URL", "redis://localhost"), name="chat")
hub = Hub(backend)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with hub:
        yield


async def say(request: Request) -> PlainTextResponse:
    text = (await request.body()).decode()
    try:
        position = await hub.publish("chat", text, token=request.headers.get("idempotency-key"))
    except PublishError as error:
        return PlainTextResponse(f"{error}; repeat with the key {error.token}", 503)
    return PlainTextResponse(f"{position} by {os.getpid()}")


async def health(request: Request) -> PlainTextResponse:
    seconds = hub.health()
    return PlainTextResponse(f"heard of Redis {seconds:.1f} s ago", 200 if seconds < 10 else 503)


def chat(connection: Connection) -> Subscription:
    return hub.subscribe("chat", last_event_id=connection.last_event_id)


events = Route("/events", EventSourceApp(chat))
routes = [events, Route("/say", say, methods=["POST"]), Route("/health", health)]
app = Starlette(lifespan=lifespan, routes=routes)


if __name__ == "__main__":
    uvicorn.run("two_workers:app", workers=2, port=int(os.environ.get("PORT", "8000")))
