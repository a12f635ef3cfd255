"""EventSourceApp: an ASGI application made of a handler."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias, Unpack

import anyio

from .. import checks
from ..errors import Refusal
from .connection import Connection
from .content.source import Content
from .cors import CORS, CORSPolicy
from .known_loops import KnownLoops
from .limits import ClientKey, ConnectionLimits, WhenFull, client_address
from .loop import LoopState
from .options import StreamKeywords, StreamOptions, check_names
from .serving import check_scope, refuse, serve
from .session.inbox import DISCONNECTS
from .session.state import ClientGone
from .types import Receive, Send

__all__ = ["EventSourceApp", "Handler"]

Handler: TypeAlias = Callable[[Connection], Content | Awaitable[Content]]

KNOWN_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT", "QUERY")

BODY_TIMEOUT: Final = 30.0
"""Seconds that a client may take to send the body of its request."""

_OWN_OPTIONS: Final = (
    "methods",
    "max_body",
    "max_connections",
    "max_connections_per_client",
    "client_key",
    "when_full",
    "cors",
)
_CORS_FIELDS: Final = frozenset(
    {b"access-control-allow-origin", b"access-control-allow-credentials"}
)


class EventSourceApp:
    """An ASGI application that answers every request with the stream that ``handler`` makes.

    Serve it, or mount it in any framework under any path. It answers the lifespan protocol when it
    is served by itself.

    :param handler: called with the :class:`Connection`: an asynchronous generator function (or a
        synchronous one, which runs in a thread), or a function or coroutine function that returns
        content. It may raise :exc:`Refusal` instead
    :param methods: the methods to answer; HEAD comes with GET. Others get a 405
    :param max_body: the greatest request body to accept, in bytes; a greater one gets a 413
    :param max_connections: the most streams at a time
    :param max_connections_per_client: the most streams at a time of one client
    :param client_key: returns the key under which a client's streams are counted; its address by
        default. Behind a proxy, the server must trust that proxy to know the address. A client
        without an address (a proxy on a Unix socket) has no limit of its own, and the log says so
    :param when_full: the answer to a client for which there is no room: ``"retry"`` sends a
        reconnection time, since a browser's ``EventSource`` never reconnects after a status other
        than 200; ``"503"`` sends that status with ``Retry-After``
    :param cors: the pages of other origins that may read the stream: an origin, several, ``"*"``,
        or a :class:`CORS` for more choices; None: no such page may
    :param options: see :class:`StreamOptions`
    :raises TypeError: ``handler`` cannot be one, or an option is of the wrong type
    :raises ValueError: a method is unknown, or an option has an impossible value
    """

    # FastAPI makes JSON of the attributes of an object that has a __dict__. Without one it fails.
    __slots__ = (
        "__weakref__",
        "_cors",
        "_handler",
        "_limits",
        "_loop",
        "_loops",
        "_max_body",
        "_methods",
        "options",
    )

    def __init__(
        self,
        handler: Handler,
        *,
        methods: Iterable[str] = ("GET",),
        max_body: int = 1_048_576,
        max_connections: int | None = None,
        max_connections_per_client: int | None = None,
        client_key: ClientKey = client_address,
        when_full: WhenFull = "retry",
        cors: CORSPolicy | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        check_names("EventSourceApp", options, _OWN_OPTIONS)
        _check_handler(handler)
        self._handler = handler
        self._methods = _check_methods(methods)
        self._max_body = checks.integer("max_body", max_body, least=0)
        self.options: StreamOptions = StreamOptions(**options)
        _check_cors_headers(cors, self.options)
        self._limits = ConnectionLimits(
            max_connections, max_connections_per_client, client_key, when_full
        )
        self._cors = cors if cors is None or isinstance(cors, CORS) else CORS(cors)
        self._loop: LoopState | None = None
        self._loops = KnownLoops()

    # Every framework has its own types for these three, which exclude those of the others.
    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._answer_lifespan(receive, send)
            return
        check_scope(scope)
        loop = LoopState.current(self._loop)
        if loop is not self._loop:
            self._loop = loop
            self._loops.add(loop)
        connection = Connection(scope)
        options = self._options_for(connection)
        try:
            if self._cors is not None and self._cors.is_preflight(connection):
                raise self._cors.answer_preflight(connection, self._methods)
            if connection.method not in self._methods:
                raise Refusal(405, headers={"allow": ", ".join(self._methods)})
            if connection.method not in ("GET", "HEAD"):
                connection.body = await self._read_body(receive)
        except Refusal as refusal:
            await refuse(refusal, scope, send, options.head)
        except ClientGone:
            return
        else:
            # No block: its two objects would live as long as the stream.
            key = self._limits.key_of(connection)
            admitted = self._limits.enter(key)
            try:
                make = self._handler if admitted else self._refuse
                await serve(make, options, connection, receive, send, self, loop=loop)
            finally:
                if admitted:
                    self._limits.leave(key)

    def _options_for(self, connection: Connection) -> StreamOptions:
        if self._cors is None:
            return self.options
        return self.options.derived(head=[*self.options.head, *self._cors.headers(connection)])

    def _refuse(self, connection: Connection) -> Content:
        raise self._limits.refusal(connection, self.options)

    @property
    def open(self) -> int:
        """The number of streams that are open now, in all event loops of this process."""
        return self._limits.open

    def drain(self) -> None:
        """End every open stream of this application as the server's shutdown does.

        Content that watches ``connection.shutdown`` has its grace. Clients get a reconnection time
        and a clean end. Any thread may call this.
        """
        self._loops.call_soon(lambda loop: loop.stop_streams(self))

    def revoke(self, key: str) -> None:
        """End every stream of this application that has the key, in all event loops of the process.

        Its client gets a last event named ``revoked``. Any thread may call this.

        :param key: one of those that the option ``key`` gave
        :raises TypeError: ``key`` is not a str
        """
        checks.text("key", key)
        self._loops.call_soon(lambda loop: loop.keyring.revoke(key, self))

    async def _answer_lifespan(self, receive: Receive, send: Send) -> None:
        loop = LoopState.current()
        loop.shutdown.hold()
        try:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            loop.stop_streams(self)
        finally:
            loop.shutdown.release()
        await send({"type": "lifespan.shutdown.complete"})

    async def _read_body(self, receive: Receive) -> bytes:
        body = bytearray()
        with anyio.move_on_after(BODY_TIMEOUT):
            while True:
                try:
                    message = await receive()
                except OSError as exc:
                    raise ClientGone from exc
                if message["type"] in DISCONNECTS:
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > self._max_body:
                    raise Refusal(413, f"the body must not have more than {self._max_body} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
        raise Refusal(408, f"the body did not arrive within {BODY_TIMEOUT:g} seconds")


def _check_handler(handler: Any) -> None:
    """Refuse a handler at construction that would be an error at the first request."""
    if not callable(handler) or inspect.isclass(handler):
        raise TypeError(checks.refuse("handler", "a function that takes the connection", handler))
    try:
        inspect.signature(handler).bind(None)
    except (TypeError, ValueError) as exc:
        wanted = "one argument, the connection"
        shown = checks.shorten(handler)
        raise TypeError(f"handler must take {wanted}, but {shown} does not: {exc}") from None


def _check_cors_headers(cors: CORSPolicy | None, options: StreamOptions) -> None:
    """Refuse headers that the policy sets, since browsers refuse a response that has them twice."""
    for name, _ in options.head:
        if cors is not None and name in _CORS_FIELDS:
            raise ValueError(f"headers: {name.decode()!r} must not be set: cors sets it")


def _check_methods(methods: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(methods, Iterable):
        raise TypeError(checks.refuse("methods", "names of methods", methods))
    names = (methods,) if isinstance(methods, str) else tuple(methods)
    for name in names:
        if name not in KNOWN_METHODS:
            raise ValueError(checks.refuse("methods", f"of {', '.join(KNOWN_METHODS)}", name))
    if not names:
        raise ValueError("methods must name at least one method")
    # RFC 9110, 9.3.2: HEAD is GET without the body.
    return tuple(dict.fromkeys((*names, "HEAD") if "GET" in names else names))
