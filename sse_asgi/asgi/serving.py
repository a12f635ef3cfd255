"""The way in for applications and adapters: serve one request, or refuse it.

An adapter imports from here all that :mod:`sse_asgi.asgi` does not have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final

import anyio

from ..errors import Refusal
from ..headers import Headers
from .connection import Connection, request_name
from .content.source import (
    Given,
    GivenOnce,
    check_content,
    content_factory,
    content_in_thread,
    to_discard,
    unclosed,
)
from .guard import Guard
from .known_loops import KnownLoops
from .loop import LoopState
from .options import StreamOptions
from .reconnect import is_done
from .server.transport import abort_connection
from .session.coding import negotiate, refusal_head
from .session.control import MayStop, StreamControl
from .session.inbox import shared_receive
from .session.session import ContentMaker, Session
from .session.state import ClientGone
from .session.writer import DENIAL, HTTP, ResponseWriter
from .types import Message, Receive, Send

__all__ = [
    "ContentMaker",
    "Given",
    "KnownLoops",
    "LoopState",
    "StreamControl",
    "check_content",
    "check_scope",
    "content_factory",
    "discard",
    "head_of",
    "refuse",
    "request_name",
    "serve",
    "shared_receive",
    "start_thread",
]

logger: Final = logging.getLogger("sse_asgi")

_NO_WEBSOCKET: Final = Refusal(
    400, "This is an event stream. Open it with EventSource or fetch, not as a WebSocket."
)
_DENIAL_EXTENSION: Final = "websocket.http.response"


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
    answer: Coroutine[Any, Any, None] | None = None
    if connection.scope["type"] == "websocket":
        answer = refuse(_NO_WEBSOCKET, connection.scope, send, options.head)
    elif is_done(connection):
        answer = refuse(Refusal(204), connection.scope, send, options.head)
    elif connection.scope.get("method", "GET").upper() == "HEAD":
        answer = _answer_head(options, connection, receive, send)
    if answer is not None:
        return _answer_without(answer, make, options, connection)
    loop = loop or LoopState.current()
    receive = shared_receive(connection.scope, receive)
    control = StreamControl(options, connection, receive, send, loop, owner, may_stop)
    if on_open is not None:
        on_open(control)
    if options.is_guarded:
        return _serve_guarded(make, control)
    return Session(make, control).run()


async def _serve_guarded(make: ContentMaker, control: StreamControl) -> None:
    """Serve a stream that ends with its client's authorisation."""
    options, connection = control.options, control.connection
    guard = Guard(options, connection, control.loop, control.owner)
    try:
        try:
            await guard.admit()
        except BaseException as exc:
            answer = _answer_failure(exc, control)
            await _answer_without(answer, make, options, connection)
        else:
            # No other task gets a turn until the stream is one of the event loop's.
            guard.watch(control)
            await Session(make, control).run()
    finally:
        guard.close()


async def _answer_failure(error: BaseException, control: StreamControl) -> None:
    if not isinstance(error, Refusal):
        raise error
    await refuse(error, control.connection.scope, control.writer.send, control.options.head)


def start_thread(
    make: ContentMaker, options: StreamOptions, connection: Connection
) -> tuple[ContentMaker, Refusal | None]:
    """Start the thread of synchronous content, for a framework that sends the head by itself.

    Return what to serve in place of ``make``, and the refusal to send if there is no thread. For
    content that perhaps needs none, nothing is done. Call this in the event loop.
    """
    if connection.method.upper() == "HEAD" or is_done(connection):
        return make, None
    items = content_in_thread(make, options, LoopState.current(), connection)
    if items is None:
        return make, None
    try:
        items.start()
    except Refusal as exc:
        return GivenOnce(items), exc
    return GivenOnce(items), None


def head_of(options: StreamOptions, connection: Connection, refusal: Refusal | None) -> Headers:
    """Return the response's headers, for a framework that sends the head by itself."""
    if refusal is not None:
        return refusal_head(refusal, options.head)
    headers, _ = negotiate(options, connection)
    return headers


async def discard(make: ContentMaker, options: StreamOptions, connection: Connection) -> None:
    """Close content that was made for a request which is answered without it.

    A generator begins, as for a client that has left already, so that its ``finally`` blocks run:
    those may give back a slot that was taken for it.
    """
    content = make.take() if isinstance(make, Given) else None
    if not unclosed(content, content):
        return
    options = options.derived(on_open=None, on_close=None, on_error=None, compression=None)
    loop = LoopState.current()
    control = StreamControl(options, connection, _receive_disconnect, _send_nothing, loop)
    control.writer.close()
    if isinstance(content, AsyncGeneratorType | GeneratorType):
        await Session(lambda connection: to_discard(content), control).run()
    else:
        await Session(lambda connection: content, control).discard()


async def _answer_without(
    answer: Coroutine[Any, Any, None],
    make: ContentMaker,
    options: StreamOptions,
    connection: Connection,
) -> None:
    try:
        await answer
    finally:
        try:
            await discard(make, options, connection)
        except Exception:
            name = request_name(connection)
            logger.exception("%s: content that was not streamed failed to close", name)


async def _receive_disconnect() -> Message:
    return {"type": "http.disconnect"}


async def _send_nothing(message: Message) -> None:
    raise OSError("nobody listens")


async def _answer_head(
    options: StreamOptions, connection: Connection, receive: Receive, send: Send
) -> None:
    """Send the head alone: granian and daphne would send a body, other servers never end."""
    headers, _ = negotiate(options, connection)
    response = ResponseWriter(send, monotonic, status=options.status, headers=headers)
    with anyio.move_on_after(options.send_timeout) as limit, suppress(ClientGone):
        await response.write(b"", last=True)
    if limit.cancelled_caught:
        abort_connection(send, receive, connection.scope)


async def refuse(refusal: Refusal, scope: Any, send: Send, headers: Headers) -> None:
    """Answer one request with the refusal, and with what of ``headers`` goes with any answer."""
    if not _takes_response(scope):
        await _deny(send)
        return
    kinds = HTTP if scope["type"] == "http" else DENIAL
    response = ResponseWriter(send, monotonic, status=refusal.status, headers=headers, kinds=kinds)
    with suppress(ClientGone):
        await response.refuse(refusal)


def _takes_response(scope: Any) -> bool:
    return scope["type"] == "http" or _DENIAL_EXTENSION in (scope.get("extensions") or {})


async def _deny(send: Send) -> None:
    """Deny a handshake where the server takes no response instead of it; it answers 403."""
    with suppress(OSError):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
