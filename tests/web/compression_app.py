"""LiveApp with compressed streams, and a page to read them from.

``/coded?key=K&coding=C`` gives each client that accepts ``C`` just that: what a client asks for is
its own affair, but the tests go through all of it. ``/isolated`` does the same with one event in
three compressed by itself. ``/hub`` sends to all what ``/control/publish?from=0&to=9`` publishes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sse_asgi import Connection, EventSourceApp, ServerSentEvent
from sse_asgi.broadcast import Hub, Subscription
from tests.servers.apps import LiveApp, Send

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

__all__ = ["CompressionApp", "app"]

PAD = "what repeats itself " * 9
PAGE = b"<!doctype html><title>compression</title>"


class CompressionApp(LiveApp):
    """Routes the page and the compressed streams, and the rest of LiveApp."""

    def __init__(self) -> None:
        super().__init__()
        options: Any = {"compression": "auto", "start_timeout": 0.05}
        self._streams |= {
            "/coded": EventSourceApp(self.steered, **options),
            "/isolated": EventSourceApp(self.isolated, **options),
            "/hub": EventSourceApp(self.subscribe, ping=0.2, **options),
        }
        self._hub = Hub()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or the lifespan."""
        if scope["type"] == "http" and scope["path"] == "/":
            await respond(send, PAGE)
            return
        if scope["type"] == "http" and scope["path"] in ("/coded", "/isolated", "/hub"):
            wanted = parse_qs(scope["query_string"])[b"coding"][0]
            others = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            accepted = b",".join(dict(scope["headers"]).get(b"accept-encoding", b"").split())
            is_accepted = wanted in accepted.replace(b",", b" ").split()
            coding = wanted if is_accepted else b"identity"
            scope = {**scope, "headers": [*others, (b"accept-encoding", coding)]}
        await super().__call__(scope, receive, send)

    async def control(self, scope: HTTPScope, send: Send) -> None:
        """Publish, or answer another control path."""
        if scope["path"] == "/control/publish":
            query = parse_qs(scope["query_string"].decode())
            for number in range(int(query["from"][0]), int(query["to"][0])):
                await self._hub.publish("numbers", {"event": "number", "data": f"{number}: {PAD}"})
            await respond(send, b"")
        else:
            await super().control(scope, send)

    def subscribe(self, connection: Connection) -> Subscription:
        """Follow what the test publishes; pings are the client's own bytes."""
        return self._hub.subscribe("numbers")

    async def isolated(self, connection: Connection) -> AsyncIterator[object]:
        """Yield what the test tells, one event in three by itself."""
        number = 0
        async for text in self.steered(connection):
            yield ServerSentEvent(text, isolate=number % 3 == 1)
            number += 1


async def respond(send: Send, body: bytes) -> None:
    """Answer with a page."""
    headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


app = CompressionApp()
