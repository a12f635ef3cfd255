"""LiveApp with compressed streams, and a page to read them from.

``/coded?key=K&coding=C`` gives each client that accepts ``C`` just that: what a client asks for is
its own affair, but the tests go through all of it. ``/isolated`` does the same with one event in
three compressed by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from sse_asgi import Connection, EventSourceApp, ServerSentEvent
from tests.servers.apps import LiveApp

__all__ = ["CompressionApp", "app"]

PAGE = b"<!doctype html><title>compression</title>"


class CompressionApp(LiveApp):
    """Routes the page and the compressed streams, and the rest of LiveApp."""

    def __init__(self) -> None:
        super().__init__()
        options: Any = {"compression": "auto", "start_timeout": 0.05}
        self._streams |= {
            "/coded": EventSourceApp(self.steered, **options),
            "/isolated": EventSourceApp(self.isolated, **options),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or the lifespan."""
        if scope["type"] == "http" and scope["path"] == "/":
            headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(PAGE))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": PAGE, "more_body": False})
            return
        if scope["type"] == "http" and scope["path"] in ("/coded", "/isolated"):
            wanted = parse_qs(scope["query_string"])[b"coding"][0]
            others = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            accepted = b",".join(dict(scope["headers"]).get(b"accept-encoding", b"").split())
            is_accepted = wanted in accepted.replace(b",", b" ").split()
            coding = wanted if is_accepted else b"identity"
            scope = {**scope, "headers": [*others, (b"accept-encoding", coding)]}
        await super().__call__(scope, receive, send)

    async def isolated(self, connection: Connection) -> AsyncIterator[object]:
        """Yield what the test tells, one event in three by itself."""
        number = 0
        async for text in self.steered(connection):
            yield ServerSentEvent(text, isolate=number % 3 == 1)
            number += 1


app = CompressionApp()
