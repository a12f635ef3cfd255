"""One of several workers on one log.

``/events`` streams the topic ``numbers``. ``POST /publish?publisher=P&first=F&count=N`` publishes
``P:F``, ``P:F+1``, ... one after the other, and answers with the number of the first that failed,
with 503, or with ``F+N``. ``/end`` ends the topic: 200, or 410 if it has ended. ``/room?name=N`` is
a stream in whose topic ``N`` is present, and ``/who`` tells who is. ``/silence`` tells how long the
log was not heard of.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs

from sse_asgi import EventSourceApp, TopicEnded
from sse_asgi.broadcast import Hub, Presence
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

__all__ = ["app"]

hub = Hub(
    RedisBackend(
        os.environ["TEST_REDIS_URL"],
        name=os.environ["TEST_REDIS_LOG"],
        block=0.5,
        memory_events=int(os.environ.get("TEST_MEMORY", "4096")),
        max_events=int(os.environ.get("TEST_MAX_EVENTS", "100000")),
        publish_timeout=float(os.environ.get("TEST_PUBLISH_TIMEOUT", "30")),
    )
)
events = EventSourceApp(lambda c: hub.subscribe("numbers", last_event_id=c.last_event_id))
presence = Presence(hub, lease=1.0)
room = EventSourceApp(lambda c: presence.attend("room", c.query["name"], hub.subscribe("room")))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route, and run the hub for as long as the server runs where the server tells."""
    if scope["type"] == "lifespan":
        async with hub, presence:
            await events(scope, receive, send)
    elif scope["path"] == "/events":
        await events(scope, receive, send)
    elif scope["path"] == "/room":
        await room(scope, receive, send)
    else:
        query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        status, body = 200, str(hub.health())
        if scope["path"] == "/publish":
            status, body = await publish(query["publisher"], int(query["first"]), query["count"])
        elif scope["path"] == "/end":
            status, body = await end()
        elif scope["path"] == "/who":
            body = json.dumps(presence.who("room"))
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


async def end() -> tuple[int, str]:
    """Publish the last event; return a status, and its ID or why there is none."""
    try:
        return 200, await hub.publish("numbers", "end:0", last=True)
    except TopicEnded as exc:
        return 410, str(exc)


async def publish(publisher: str, first: int, count: str) -> tuple[int, str]:
    """Publish ``count`` numbers; return a status, and how far it came or why it did not."""
    for number in range(first, first + int(count)):
        try:
            await hub.publish("numbers", f"{publisher}:{number}", token=f"{publisher}:{number}")
        except PublishError as error:
            return 503, f"{number} {error}"
    return 200, str(first + int(count))
