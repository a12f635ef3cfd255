"""The demo's ASGI application: the page, the stream, the buttons."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from . import hello
from .guides import guides, links
from .page import FAVICON, render
from .scissors import RETRY, Scissors, page_of
from .signal import Broadcast
from .stall import Stalls

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

__all__ = ["Demo"]

_POLICY: Final = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self';"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page holds all that it needs, so a browser may load nothing from elsewhere."""

_REST: Final = 5
"""Seconds that have to pass between two restarts, and that a visitor is told to wait."""

_JSON: Final = "application/json"

_Answer: TypeAlias = tuple[int, Mapping[str, object]]
_Button: TypeAlias = Callable[[str | None], Awaitable[_Answer]]


class Demo:
    """Serves a page, its stream at ``/events``, its three buttons, a hello, and guides.

    The buttons are ``/cut``, ``/restart`` and ``/stall``. Only a page with an open stream can press
    them: no other site knows the name of one.
    The signal starts with the ASGI lifespan, so the server must support that. Hypercorn does.
    """

    def __init__(self) -> None:
        self.broadcast: Broadcast = Broadcast()
        self.streams: Scissors = Scissors(self.broadcast.follow)
        self.stalls: Stalls = Stalls(self.broadcast.follow)
        self._restarted = -inf
        self._buttons: dict[str, _Button] = {
            "/cut": self._cut,
            "/restart": self._restart,
            "/stall": self._stall,
        }
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
                self._end_all()
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
        elif path in self._buttons:
            await self._press(self._buttons[path], scope, send)
        elif path not in self._pages:
            await _respond(send, method, 404, "text/plain; charset=utf-8", b"Not found\n")
        elif method not in ("GET", "HEAD"):
            await _refuse_method(send, method, "GET, HEAD")
        else:
            await _respond(send, method, 200, *self._pages[path])

    # -- the buttons -------------------------------------------------------------------------------

    async def _press(self, button: _Button, scope: HTTPScope, send: ASGISendCallable) -> None:
        if scope["method"] != "POST":
            await _refuse_method(send, scope["method"], "POST")
            return
        status, answer = await button(page_of(scope))
        wait = [(b"retry-after", str(_REST).encode())] if status == 429 else []
        await _respond(send, "POST", status, _JSON, json.dumps(answer).encode(), *wait)

    async def _cut(self, page: str | None) -> _Answer:
        """End the streams of the page that asks. Each page knows only its own name."""
        return 200, {"cut": self.streams.cut(page), "retry": RETRY}

    async def _restart(self, page: str | None) -> _Answer:
        """End every stream, as a restart of the server does. The log stays, as in Redis."""
        if not self.streams.has(page):
            return _stranger()
        now = anyio.current_time()
        if now - self._restarted < _REST:
            return 429, {"error": f"the server restarts once in {_REST} seconds"}
        self._restarted = now
        return 200, {"ended": self._end_all(), "retry": RETRY, "rest": _REST}

    async def _stall(self, page: str | None) -> _Answer:
        """Run a client that stops reading, and tell at its end how the server ended it."""
        if not self.streams.has(page):
            return _stranger()
        end = await self.stalls.run()
        if end is None:
            return 429, {"error": "enough clients are stalled already"}
        return 200, {
            "reason": end.reason.name,
            "events": end.events,
            "seconds": round(end.seconds, 1),
            "send_timeout": self.stalls.send_timeout,
        }

    def _end_all(self) -> int:
        """End every stream of this server, and return how many of them the pages had."""
        hello.app.drain()
        self.stalls.drain()
        return self.streams.cut_all()


def _stranger() -> _Answer:
    return 403, {"error": "only a page with an open stream may ask for that"}


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
