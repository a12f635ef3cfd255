"""The client for test suites that are not asynchronous."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..asgi.types import ASGIApp
from ..headers import ResponseHeaders
from ..wire import MessageEvent
from .client import EventClient
from .clock import VirtualClock
from .connect import ConnectOptions, connect

__all__ = ["SyncEventClient", "connect_sync"]

T = TypeVar("T")


@contextmanager
def connect_sync(
    app: ASGIApp,
    path: str = "/",
    *,
    clock: VirtualClock | None = None,
    portal: BlockingPortal | None = None,
    backend: str = "asyncio",
    **options: Unpack[ConnectOptions],
) -> Iterator[SyncEventClient]:
    """Connect as :func:`connect` does, but block: the app runs in the event loop of a thread.

    :param app: the ASGI application
    :param path: the path of the request, with its query
    :param clock: what the streams go by, see :meth:`SyncEventClient.advance`
    :param portal: the event loop to use, such as that of the app's lifespan, instead of a new one
    :param backend: the new event loop's: ``"asyncio"`` or ``"trio"``
    :param options: as those of :func:`connect`
    """
    loop = nullcontext(portal) if portal is not None else start_blocking_portal(backend)
    with loop as running:
        if clock is not None:
            running.call(clock.__enter__)
        try:
            with running.wrap_async_context_manager(connect(app, path, **options)) as events:
                yield SyncEventClient(events, running, clock)
        finally:
            if clock is not None:
                running.call(clock.__exit__, None, None, None)


class SyncEventClient:
    """An :class:`EventClient` whose methods block; see there for what they do and raise."""

    def __init__(
        self, events: EventClient, portal: BlockingPortal, clock: VirtualClock | None
    ) -> None:
        self._events = events
        self._portal = portal
        self._clock = clock

    def _look(self, read: Callable[[EventClient], T]) -> T:
        # In the event loop's thread, so that nothing changes meanwhile.
        return self._portal.call(read, self._events)

    @property
    def status(self) -> int:
        """The status of the response."""
        return self._look(lambda events: events.status)

    @property
    def headers(self) -> ResponseHeaders:
        """The header fields of the response."""
        return self._look(lambda events: events.headers)

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI connection scope that the app was called with."""
        return self._look(lambda events: events.scope)

    def receive(self, timeout: float | None = None) -> MessageEvent:
        """Return the next event."""
        return self._portal.call(self._events.receive, timeout)

    def receive_comment(self, timeout: float | None = None) -> str:
        """Return the next comment, such as a ping."""
        return self._portal.call(self._events.receive_comment, timeout)

    def __iter__(self) -> SyncEventClient:
        return self

    def __next__(self) -> MessageEvent:
        event = self._portal.call(self._next)
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> MessageEvent | None:
        # A StopAsyncIteration cannot leave the portal as itself.
        return await anext(self._events, None)

    @property
    def pending(self) -> tuple[MessageEvent, ...]:
        """Events that have arrived and were not received."""
        return self._look(lambda events: events.pending)

    @property
    def comments(self) -> tuple[str, ...]:
        """The comments that have arrived, such as pings."""
        return self._look(lambda events: events.comments)

    @property
    def chunks(self) -> tuple[bytes, ...]:
        """The body as sent, one element for each body message that is not empty."""
        return self._look(lambda events: events.chunks)

    @property
    def raw(self) -> bytes:
        """The body as sent, before any decoding."""
        return self._look(lambda events: events.raw)

    @property
    def last_event_id(self) -> str:
        """The ID that this client would reconnect with."""
        return self._look(lambda events: events.last_event_id)

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream has set, in milliseconds."""
        return self._look(lambda events: events.retry)

    @property
    def error(self) -> BaseException | None:
        """The exception that the app raised."""
        return self._look(lambda events: events.error)

    def closed(self, timeout: float | None = None) -> None:
        """Wait for the clean end of the body."""
        self._portal.call(self._events.closed, timeout)

    def body(self, timeout: float | None = None) -> bytes:
        """Wait for the clean end of the body and return it."""
        return self._portal.call(self._events.body, timeout)

    def text(self, timeout: float | None = None) -> str:
        """Wait for the clean end of the body and return it as text."""
        return self._portal.call(self._events.text, timeout)

    def returned(self, timeout: float | None = None) -> None:
        """Wait for the app to return, and raise what it raised."""
        self._portal.call(self._events.returned, timeout)

    def blocked(self, timeout: float | None = None) -> None:
        """Wait until the app waits in ``send`` for this client to read."""
        self._portal.call(self._events.blocked, timeout)

    def disconnect(self) -> None:
        """Leave: ``receive`` returns ``http.disconnect``."""
        self._portal.call(self._events.disconnect)

    def reconnect(self, last_event_id: str | None = None) -> None:
        """Leave and make the same request again with the last event ID."""
        self._portal.call(self._events.reconnect, last_event_id)

    def pause(self, window: int = 0) -> None:
        """Stop reading: ``send`` waits as soon as ``window`` bytes are on their way."""
        self._portal.call(self._events.pause, window)

    def resume(self) -> None:
        """Read on."""
        self._portal.call(self._events.resume)

    def break_send(self, error: Exception | None = None) -> None:
        """Have ``send`` raise from now on, while ``receive`` is silent."""
        self._portal.call(self._events.break_send, error)

    def cancel(self) -> None:
        """Cancel the app, as a server does that stops."""
        self._portal.call(self._events.cancel)

    def advance(self, seconds: float) -> None:
        """Move the clock that was given to :func:`connect_sync`.

        :raises RuntimeError: none was
        """
        if self._clock is None:
            raise RuntimeError("connect_sync() was given no clock to advance")
        self._portal.call(self._clock.advance, seconds)
