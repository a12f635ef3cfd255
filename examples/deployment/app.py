"""What the other files of this folder deploy: a clock for all, in memory or in Redis.

Run: uvicorn --app-dir examples/deployment app:app
Try: curl -N localhost:8000/events
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, Subscription


def new_hub() -> Hub:
    url = os.environ.get("REDIS_URL")
    if url is None:
        return Hub()
    from sse_asgi.broadcast.backends.redis import RedisBackend

    return Hub(RedisBackend(url, name="clock"))


hub = new_hub()


def events(connection: Connection) -> Subscription:
    return hub.subscribe("clock", last_event_id=connection.last_event_id)


async def tick() -> None:
    while True:
        second = int(time.time())
        # Every process publishes, and the token lets each second be published once.
        await hub.publish("clock", {"event": "tick", "data": {"t": second}}, token=str(second))
        await anyio.sleep(max(0, second + 1 - time.time()))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with hub, anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        yield
        tasks.cancel_scope.cancel()


async def ready(request: Request) -> PlainTextResponse:
    """Say whether this process hears of the log: a proxy sends clients elsewhere if not."""
    return PlainTextResponse("ready\n", 200 if hub.health() < 10 else 503)


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/events", EventSourceApp(events, max_lifetime=3600)), Route("/ready", ready)],
)
