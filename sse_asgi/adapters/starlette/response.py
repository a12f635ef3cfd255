"""``EventSourceResponse`` for Starlette: sse-starlette's, on the streams of this library.

A program that uses sse-starlette changes its imports. What it gets is in the README, under "Coming
from sse-starlette".
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias

import anyio
from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ... import checks
from ...asgi import CloseReason, Connection, StreamOptions
from ...asgi.serving import (
    Given,
    StreamControl,
    check_content,
    check_scope,
    serve,
    shared_receive,
)
from ...errors import SendTimeout
from ...headers import end_to_end
from ...wire import Compression
from .event import JSONServerSentEvent, ServerSentEvent, ensure_bytes
from .status import AppStatus, ExitListener

__all__ = [
    "AppStatus",
    "AsyncContentStream",
    "Content",
    "ContentStream",
    "EventSourceResponse",
    "JSONServerSentEvent",
    "SendTimeoutError",
    "ServerSentEvent",
    "SyncContentStream",
    "ensure_bytes",
]

Content: TypeAlias = Any
SyncContentStream: TypeAlias = Iterable[Content]
AsyncContentStream: TypeAlias = AsyncIterable[Content]
ContentStream: TypeAlias = AsyncContentStream | SyncContentStream

FOR_EVER = 1e9
"""Seconds that stand for no limit: thirty years."""

_HEADERS: Final = MappingProxyType(
    {"cache-control": "no-store, no-transform", "x-accel-buffering": "no", "incremental": "?1"}
)


class SendTimeoutError(SendTimeout):
    """The client did not take a message within ``send_timeout`` seconds."""


class EventSourceResponse(Response):
    """Streams ``content`` as server-sent events; its attributes may be set until it is called.

    :param content: asynchronous or synchronous iterable; strings are data, dicts hold the fields of
        a :class:`ServerSentEvent`, bytes are sent as they are, and of other items ``str()`` is data
    :param status_code: the response's status
    :param headers: further response headers
    :param media_type: the value of ``Content-Type``
    :param background: runs after the stream, also when the client has left
    :param ping: seconds from one keep-alive to the next, 15 by default; 0: none
    :param sep: what ends each line, CRLF by default
    :param ping_message_factory: makes the keep-alive, an item like those of the content
    :param data_sender_callable: runs beside the content, to fill the stream that is the content
    :param send_timeout: seconds that the client may take for one message; None: any time
    :param client_close_handler_callable: awaited with the message when the client leaves
    :param shutdown_event: set when the server stops
    :param shutdown_grace_period: seconds that the content may go on from then
    :param cleanup_timeout: seconds that the content's clean-up may take; None: any time
    :raises TypeError: ``content`` is no iterable of items, or a parameter is of the wrong type
    :raises ValueError: a parameter has an impossible value
    """

    media_type: str = "text/event-stream"
    DEFAULT_PING_INTERVAL: ClassVar[float] = 15
    DEFAULT_SEPARATOR: ClassVar[str] = "\r\n"
    DEFAULT_CLEANUP_TIMEOUT: ClassVar[float] = 30.0
    START_TIMEOUT: ClassVar[float] = 0.1
    """Seconds that the head waits for the first event, so that an error before is a real one."""
    COMPRESSION: ClassVar[Compression | None] = None
    """As ``compression`` of :class:`sse_asgi.StreamOptions`; a subclass may set it."""

    _defaults: ClassVar[StreamOptions] = StreamOptions(ping_always=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._defaults = StreamOptions(ping_always=True, compression=cls.COMPRESSION)

    def __init__(
        self,
        content: ContentStream,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = "text/event-stream",
        background: BackgroundTask | None = None,
        ping: float | None = None,
        sep: str | None = None,
        ping_message_factory: Callable[[], Any] | None = None,
        data_sender_callable: Callable[[], Awaitable[None]] | None = None,
        send_timeout: float | None = None,
        client_close_handler_callable: Callable[[Message], Awaitable[None]] | None = None,
        shutdown_event: anyio.Event | None = None,
        shutdown_grace_period: float = 0,
        cleanup_timeout: float | None = DEFAULT_CLEANUP_TIMEOUT,
    ) -> None:
        if sep not in (None, "\r\n", "\r", "\n"):
            raise ValueError(rf"sep must be one of: \r\n, \r, \n, got: {sep!r}")
        check_content(content)
        self.body_iterator = content
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.background = background
        self.sep: str = sep or self.DEFAULT_SEPARATOR
        self.ping_interval = self.DEFAULT_PING_INTERVAL if ping is None else ping
        self.ping_message_factory = ping_message_factory
        self.data_sender_callable = data_sender_callable
        self.send_timeout = send_timeout
        self.client_close_handler_callable = client_close_handler_callable
        self._shutdown_event = shutdown_event
        self._shutdown_grace_period = checks.seconds("shutdown_grace_period", shutdown_grace_period)
        self._cleanup_timeout = FOR_EVER
        if cleanup_timeout is not None:
            self._cleanup_timeout = checks.seconds("cleanup_timeout", cleanup_timeout)
        self._active = True
        self._control: StreamControl | None = None
        self._lock: anyio.Lock | None = None
        self._sending: anyio.CancelScope | None = None
        self.init_headers(_HEADERS if headers is None else _with_defaults(headers))

    @property
    def ping_interval(self) -> float:
        """Seconds from one keep-alive to the next; 0: none is sent."""
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float) -> None:
        self._ping_interval = checks.seconds("ping interval", value)

    @property
    def send_timeout(self) -> float | None:
        """Seconds that the client may take for one message; None: any time."""
        return self._send_timeout

    @send_timeout.setter
    def send_timeout(self, value: float | None) -> None:
        self._send_timeout = None if value is None else checks.seconds("send_timeout", value)

    @property
    def active(self) -> bool:
        """Whether the stream goes on; setting it to False ends it, from any thread."""
        return self._active

    @active.setter
    def active(self, value: bool) -> None:
        self._active = value
        control = self._control
        if not value and control is not None:
            control.loop.call_soon(control.end, CloseReason.COMPLETED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_scope(scope)
        connection = Connection(scope)
        connection.shutdown.is_set()  # this starts the grace, which each stream has here
        try:
            await self._serve(
                connection, partial(self._receive, shared_receive(scope, receive)), send
            )
        except BaseExceptionGroup as group:
            raise _only(group)  # noqa: B904 - as Starlette does: its middleware knows no groups
        finally:
            self._control, self._active = None, False
        if self.background is not None:
            await self.background()

    async def _serve(self, connection: Connection, receive: Receive, send: Send) -> None:
        serving = serve(
            Given(self.body_iterator),
            self._options(),
            connection,
            receive,
            send,
            self,
            on_open=self._open,
            may_stop=self._may_stop,
        )
        control = self._control
        if self.data_sender_callable is None or control is None:
            await serving
        else:
            async with anyio.create_task_group() as tasks:
                self._sending = anyio.CancelScope()
                tasks.start_soon(self._send_data, self.data_sender_callable, control, self._sending)
                await serving
                tasks.cancel_scope.cancel()
        if control is not None and control.outcome.reason is CloseReason.SLOW_CLIENT:
            raise SendTimeoutError

    def _open(self, control: StreamControl) -> None:
        self._control = control
        if AppStatus.watch(control.loop):
            control.stop(CloseReason.SERVER_STOPPING)

    def _may_stop(self, reason: CloseReason) -> bool:
        stops = AppStatus.ends(reason)
        if stops and self._shutdown_event is not None:
            self._shutdown_event.set()
        return stops

    async def _send_data(
        self,
        sender: Callable[[], Awaitable[None]],
        control: StreamControl,
        scope: anyio.CancelScope,
    ) -> None:
        try:
            with scope:
                await sender()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            if control.outcome.reason is None:
                control.end(CloseReason.ERROR, exc)
        except Exception as exc:
            control.end(CloseReason.ERROR, exc)

    def _options(self) -> StreamOptions:
        return self._defaults.derived(
            status=self.status_code,
            head=end_to_end(self.raw_headers),
            ping=self._ping_interval or None,
            ping_message=self._ping_message,
            send_timeout=self._send_timeout,
            start_timeout=self.START_TIMEOUT,
            shutdown_grace=self._shutdown_grace_period,
            cleanup_timeout=self._cleanup_timeout,
            encode=partial(ensure_bytes, sep=self.sep),
        )

    def _ping_message(self) -> object:
        if self.ping_message_factory is not None:
            return self.ping_message_factory()
        return ServerSentEvent(comment=f"ping - {datetime.now(UTC)}", sep=self.sep)

    async def _receive(self, receive: Receive) -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            self._active = False
            if self._sending is not None:
                self._sending.cancel()  # before its stream is closed under it
            if self.client_close_handler_callable is not None:
                await self.client_close_handler_callable(message)
        return message

    # For subclasses that stream by themselves; langgraph-api has one.

    async def _listen_for_disconnect(self, receive: Receive) -> None:
        while self._active and (await self._receive(receive))["type"] != "http.disconnect":
            pass

    @staticmethod
    async def _listen_for_exit_signal() -> None:
        await ExitListener().wait()

    @property
    def _send_lock(self) -> anyio.Lock:
        if self._lock is None:
            self._lock = anyio.Lock()
        return self._lock


def _with_defaults(headers: Mapping[str, str]) -> Mapping[str, str]:
    fields = MutableHeaders(headers)
    for name, value in _HEADERS.items():
        fields.setdefault(name, value)
    return fields


def _only(error: BaseException) -> BaseException:
    """Return the one exception in groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
