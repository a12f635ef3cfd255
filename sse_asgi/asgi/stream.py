"""EventStream: content in, ASGI callable out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Unpack

from ..errors import Refusal
from .coding import negotiate
from .connection import Connection
from .content import Content, ContentSource, content_factory
from .loop import LoopState
from .notice import Notice
from .options import StreamKeywords, StreamOptions
from .reconnect import is_done
from .response import ClientGone, EventResponse, Headers, Send
from .session import ContentMaker, Receive, Session

__all__ = ["EventStream", "check_scope", "refuse", "serve"]

DEFAULTS = StreamOptions()

DENIAL = "websocket.http.response"


class EventStream:
    """Streams ``content`` as server-sent events to whoever calls it: an ASGI application.

    Serve it as it is, mount it, or return it from whatever awaits ASGI callables. Give a generator
    function, called with the :class:`Connection` if it takes an argument, to serve many
    connections; an iterator serves one.

    The items of the content are sent as they come: a ``str`` is an event's data; a ``dict`` holds
    the fields of a :class:`ServerSentEvent`; ``bytes`` are a complete block, sent as it is;
    anything else is JSON data. Synchronous iterables run in a thread.

    :param content: asynchronous or synchronous iterable, generator function, or anyio receive
        stream
    :param options: see :class:`StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(self, content: ContentSource, **options: Unpack[StreamKeywords]) -> None:
        self._make: Callable[[Connection], Content] = content_factory(content)
        self.options = StreamOptions(**options) if options else DEFAULTS
        self._loop: LoopState | None = None

    # Every framework has its own types for these three, which exclude those of the others.
    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        check_scope(scope)
        self._loop = loop = LoopState.current(self._loop)
        connection = Connection(scope, Notice())
        await serve(self._make, self.options, connection, receive, send, self, loop=loop)


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
    new_session: Callable[..., Session] = Session,
    loop: LoopState | None = None,
) -> Coroutine[Any, Any, None]:
    """Return what answers one request with the content that ``make`` gives for it."""
    if not _takes_response(connection.scope):
        return _deny(send)
    if is_done(connection):
        return refuse(Refusal(204), connection.scope, send, options.head)
    if connection.method == "HEAD":
        return _answer_head(options, connection, send)
    loop = loop or LoopState.current()
    return new_session(make, options, connection, receive, send, owner, loop).run()


async def _answer_head(options: StreamOptions, connection: Connection, send: Send) -> None:
    """Send the head alone: granian and daphne would send a body, other servers never end."""
    headers, _ = negotiate(options, connection)
    response = EventResponse(send, monotonic, status=options.status, headers=headers)
    with suppress(ClientGone):
        await response.write(b"", last=True)


async def refuse(refusal: Refusal, scope: Any, send: Send, headers: Headers) -> None:
    """Answer one request with the refusal, and with what of ``headers`` goes with any answer."""
    if not _takes_response(scope):
        await _deny(send)
        return
    prefix = DENIAL if scope["type"] == "websocket" else "http.response"
    response = EventResponse(send, monotonic, status=refusal.status, headers=headers, prefix=prefix)
    with suppress(ClientGone):
        await response.refuse(refusal)


def _takes_response(scope: Any) -> bool:
    return scope["type"] == "http" or DENIAL in (scope.get("extensions") or {})


async def _deny(send: Send) -> None:
    """Deny a handshake where the server takes no response instead of it; it answers 403."""
    with suppress(OSError):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
