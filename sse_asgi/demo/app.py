"""The demo's ASGI application: the page, the stream, the scissors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import anyio

from . import hello
from .guides import guides, links
from .page import FAVICON, render
from .scissors import RETRY, Scissors, page_of
from .signal import Broadcast

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

__all__ = ["Demo"]

_POLICY: Final = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self';"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page holds all that it needs, so a browser may load nothing from elsewhere."""


class Demo:
    """Serves a page, its stream at ``/events``, its scissors at ``/cut``, a hello, and guides.

    The signal starts with the ASGI lifespan, so the server must support that. Hypercorn does.
    """

    def __init__(self) -> None:
        self.broadcast: Broadcast = Broadcast()
        self.streams: Scissors = Scissors(self.broadcast.follow)
        pages = guides()
        page = render(guides=links(pages), broadcast=Broadcast, hello=hello)
        self._pages = {
            "/": ("text/html; charset=utf-8", page),
            "/favicon.ico": ("image/svg+xml", FAVICON.encode()),
        }
        for path, text in pages.items():
            self._pages[f"/{path}"] = ("text/plain; charset=utf-8", text.encode())

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.broadcast.run)
                await hello.app(scope, receive, send)  # it answers the protocol
                self.streams.cut_all()
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
            await self.streams(scope, receive, send)
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
        """End the streams of the page that asks. Each page knows only its own name."""
        if scope["method"] != "POST":
            await _refuse_method(send, scope["method"], "POST")
            return
        answer = {"cut": self.streams.cut(page_of(scope)), "retry": RETRY}
        body = json.dumps(answer).encode()
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
                (b"content-security-policy", _POLICY),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
            "trailers": False,
        }
    )
    payload = b"" if method == "HEAD" else body
    await send({"type": "http.response.body", "body": payload, "more_body": False})
