"""The demo's ASGI application: the page, the stream, the scissors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import anyio

from sse_asgi import Connection, EventSourceApp, ServerSentEvent

from . import hello
from .feed import Feed
from .page import FAVICON, render
from .producer import produce

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

__all__ = ["Demo"]

Events = AsyncIterator[ServerSentEvent]

RETRY = 1500  # milliseconds after which a client that was cut comes back

# Everything is in the page itself; nothing may be loaded from elsewhere.
POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self';"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Demo:
    """The page at ``/``, its stream at ``/events``, its scissors at ``/cut``; and ``/hello``.

    The signal starts with the lifespan, so it needs a server that speaks it, as hypercorn does.
    """

    def __init__(self) -> None:
        self.feed = Feed()
        self.events = EventSourceApp(self.follow)
        self._pages = {
            "/": ("text/html; charset=utf-8", render(endpoint=Demo.follow, hello=hello)),
            "/favicon.ico": ("image/svg+xml", FAVICON.encode()),
        }

    async def follow(self, connection: Connection) -> Events:
        """Replay what this client missed, then follow live."""
        after = connection.last_event_id
        page = connection.query.get("page")
        with self.feed.follow(after, page) as reader:
            yield reader.welcome()
            async for event in reader:
                yield event
            if reader.was_cut:
                yield ServerSentEvent(comment="cut", retry=RETRY)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(produce, self.feed)
                await self.events(scope, receive, send)
                tasks.cancel_scope.cancel()
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": None})
        else:
            await self._route(scope, receive, send)

    async def _route(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        if path == "/events":
            await self.events(scope, receive, send)
        elif path == "/hello":
            await hello.app(scope, receive, send)
        elif path == "/cut":
            await self._cut(scope, send)
        elif path not in self._pages:
            await _respond(send, method, 404, "text/plain; charset=utf-8", b"Not found\n")
        elif method not in ("GET", "HEAD"):
            await _refuse_method(send, method, "GET, HEAD")
        else:
            await _respond(send, method, 200, *self._pages[path])

    async def _cut(self, scope: HTTPScope, send: ASGISendCallable) -> None:
        """End the streams of the page that asks; each page knows only its own name."""
        if scope["method"] != "POST":
            await _refuse_method(send, scope["method"], "POST")
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        cut = sum(map(self.feed.cut, query.get("page", ())))
        body = json.dumps({"cut": cut, "retry": RETRY}).encode()
        await _respond(send, "POST", 200, "application/json", body)


async def _refuse_method(send: ASGISendCallable, method: str, allowed: str) -> None:
    text = f"{method} is not allowed here; {allowed} is\n".encode("latin-1", "replace")
    allow = (b"allow", allowed.encode())
    await _respond(send, method, 405, "text/plain; charset=utf-8", text, allow)


async def _respond(
    send: ASGISendCallable,
    method: str,
    status: int,
    content_type: str,
    body: bytes,
    *headers: tuple[bytes, bytes],
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-cache"),
                (b"content-security-policy", POLICY),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
            "trailers": False,
        }
    )
    payload = b"" if method == "HEAD" else body
    await send({"type": "http.response.body", "body": payload, "more_body": False})
