"""The way in for applications and adapters: serve one request, or refuse it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from ..errors import Refusal
from ..headers import Headers
from .connection import Connection
from .loop import LoopState
from .options import StreamOptions
from .reconnect import is_done
from .session.coding import negotiate
from .session.control import MayStop, StreamControl
from .session.session import ContentMaker, Session
from .session.writer import ClientGone, ResponseWriter
from .types import Receive, Send

__all__ = ["check_scope", "refuse", "serve"]

DENIAL = "websocket.http.response"


def check_scope(scope: Any) -> None:
    """Refuse what is no request (ASGI 3, "Applications": raise for a scope that you do not know).

    :raises RuntimeError: the scope is neither HTTP nor a websocket that can be denied with a
        response
    """
    if scope["type"] == "http":
        return
    if scope["type"] != "websocket":
        raise RuntimeError(f"an event stream cannot serve the ASGI scope {scope['type']!r}")


def serve(
    make: ContentMaker,
    options: StreamOptions,
    connection: Connection,
    receive: Receive,
    send: Send,
    owner: object = None,
    *,
    loop: LoopState | None = None,
    on_open: Callable[[StreamControl], object] | None = None,
    may_stop: MayStop | None = None,
) -> Coroutine[Any, Any, None]:
    """Return the coroutine that answers one request with the content that ``make`` gives for it.

    :param owner: the application, whose streams can be stopped together
    :param on_open: called with the control of the stream before it begins, if there is one
    :param may_stop: asked before the stream is stopped for a reason; False: it goes on
    """
    if not _takes_response(connection.scope):
        return _deny(send)
    if is_done(connection):
        return refuse(Refusal(204), connection.scope, send, options.head)
    if connection.method == "HEAD":
        return _answer_head(options, connection, send)
    loop = loop or LoopState.current()
    control = StreamControl(options, connection, receive, send, loop, owner, may_stop)
    if on_open is not None:
        on_open(control)
    return Session(make, control).run()


async def _answer_head(options: StreamOptions, connection: Connection, send: Send) -> None:
    """Send the head alone: granian and daphne would send a body, other servers never end."""
    headers, _ = negotiate(options, connection)
    response = ResponseWriter(send, monotonic, status=options.status, headers=headers)
    with suppress(ClientGone):
        await response.write(b"", last=True)


async def refuse(refusal: Refusal, scope: Any, send: Send, headers: Headers) -> None:
    """Answer one request with the refusal, and with what of ``headers`` goes with any answer."""
    if not _takes_response(scope):
        await _deny(send)
        return
    prefix = DENIAL if scope["type"] == "websocket" else "http.response"
    response = ResponseWriter(
        send, monotonic, status=refusal.status, headers=headers, prefix=prefix
    )
    with suppress(ClientGone):
        await response.refuse(refusal)


def _takes_response(scope: Any) -> bool:
    return scope["type"] == "http" or DENIAL in (scope.get("extensions") or {})


async def _deny(send: Send) -> None:
    """Deny a handshake where the server takes no response instead of it; it answers 403."""
    with suppress(OSError):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
