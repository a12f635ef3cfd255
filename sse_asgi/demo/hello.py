"""The shortest server: hypercorn sse_asgi.demo.hello:app."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from .. import Connection, EventSourceApp


async def ticks(connection: Connection) -> AsyncIterator[str]:
    for n in range(10):
        yield f"tick {n}"
        await anyio.sleep(1)


app: EventSourceApp = EventSourceApp(ticks)
