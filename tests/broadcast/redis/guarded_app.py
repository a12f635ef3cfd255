"""One of several workers whose streams are revoked over a topic of their hub.

``/events?user=7`` streams the topic ``numbers`` under the key ``user:7``. ``POST /numbers?data=1``
publishes a number, and ``POST /revocations?data=user:7`` revokes a key, on every worker.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs

import anyio

from sse_asgi import Connection, EventSourceApp, follow_revocations
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend

__all__ = ["app"]

hub = Hub(RedisBackend(os.environ["TEST_REDIS_URL"], name=os.environ["TEST_REDIS_LOG"], block=0.5))


def user(connection: Connection) -> str:
    """Return the key of the request's user."""
    return f"user:{connection.query['user']}"


events = EventSourceApp(lambda c: hub.subscribe("numbers", last_event_id=c.last_event_id), key=user)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route, and follow the revocations for as long as the server runs."""
    if scope["type"] == "lifespan":
        async with hub, anyio.create_task_group() as tasks:
            tasks.start_soon(follow_revocations, hub.subscribe("revocations"))
            await events(scope, receive, send)
            tasks.cancel_scope.cancel()
    elif scope["path"] == "/events":
        await events(scope, receive, send)
    else:
        data = parse_qs(scope["query_string"].decode())["data"][0]
        topic = scope["path"].removeprefix("/")
        await hub.publish(topic, {"event": "revoked", "data": data} if ":" in data else data)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
