"""A client of event streams that runs the app in process."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..headers import ResponseHeaders, is_event_stream
from ..wire import MessageEvent
from .connection import ClientConnection, clean_up
from .errors import BodyTruncated, NotAnEventStream, StreamEnded, StreamTimeout
from .reader import EventReader
from .report import describe
from .server.exchange import Exchange
from .server.request import Request

__all__ = ["EventClient"]

OpenExchange = Callable[[Request, Callable[[bytes], None]], Exchange]


class EventClient:
    """One client and its connection to an app; :func:`connect` makes it.

    An asynchronous context manager: entering sends the request and waits for the head of the
    response, leaving disconnects and waits for the app to return. Every wait is bounded by the
    timeout. What the app raises is raised where the test waits for it, and at the latest when the
    block is left; an exception of the test itself leaves the block as it is.
    """

    def __init__(
        self,
        request: Request,
        open_exchange: OpenExchange,
        *,
        timeout: float,
        raise_app_exceptions: bool,
        max_event_size: int,
    ) -> None:
        self._request = request
        self._open_exchange = open_exchange
        self._timeout = timeout
        self._raise_app_exceptions = raise_app_exceptions
        self._max_event_size = max_event_size
        self._retry: int | None = None
        self._opened: tuple[ClientConnection, EventReader] | None = None

    async def __aenter__(self) -> EventClient:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await clean_up(self._connection.leave, error)

    # -- the response ------------------------------------------------------------------------------

    @property
    def status(self) -> int:
        """The status of the response."""
        status = self._exchange.response.status
        assert status is not None, "the block is entered once the response has started"
        return status

    @property
    def headers(self) -> ResponseHeaders:
        """The header fields of the response."""
        return self._exchange.response.headers

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI connection scope that the app was called with."""
        return self._exchange.scope

    async def receive(self, timeout: float | None = None) -> MessageEvent:
        """Return the next event.

        :param timeout: seconds, instead of the client's own
        :raises StreamTimeout: it did not arrive in time; the message says what did
        :raises StreamEnded: the body has ended
        :raises BodyTruncated: the app returned, or was cancelled, without ending the body
        :raises NotAnEventStream: the response is something else
        """
        if not is_event_stream(self.headers.get("content-type", "")):
            raise NotAnEventStream(f"the response is no text/event-stream\n{self._report()}")
        connection, reader = self._connection, self._reader
        await self._wait(
            lambda: reader.has_pending or reader.error or connection.is_over, "no event", timeout
        )
        event = reader.take()
        if event is None:
            raise self._end()
        return event

    def __aiter__(self) -> EventClient:
        return self

    async def __anext__(self) -> MessageEvent:
        try:
            return await self.receive()
        except BodyTruncated:
            raise
        except StreamEnded:
            raise StopAsyncIteration from None

    async def receive_comment(self, timeout: float | None = None) -> str:
        """Return the next comment, such as a ping; also of :attr:`comments` one after the other.

        :raises StreamTimeout: it did not arrive in time
        :raises StreamEnded: the body has ended
        """
        connection, reader = self._connection, self._reader
        await self._wait(
            lambda: reader.new_comments or reader.error or connection.is_over, "no comment", timeout
        )
        if not reader.new_comments:
            raise self._end()
        return reader.new_comments.popleft()

    @property
    def pending(self) -> tuple[MessageEvent, ...]:
        """Events that have arrived and were not received."""
        return self._reader.pending

    @property
    def comments(self) -> tuple[str, ...]:
        """The comments that have arrived, such as pings: the last 10,000."""
        return tuple(self._reader.comments)

    @property
    def chunks(self) -> tuple[bytes, ...]:
        """The body as sent, one element for each body message that is not empty: the last MiB."""
        return tuple(self._reader.chunks)

    @property
    def raw(self) -> bytes:
        """The body as sent, before any decoding: the last MiB."""
        return b"".join(self._reader.chunks)

    @property
    def last_event_id(self) -> str:
        """The ID that this client would reconnect with: that of the events received so far."""
        return self._reader.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream has set, in milliseconds."""
        retry = self._reader.retry
        return self._retry if retry is None else retry

    async def closed(self, timeout: float | None = None) -> None:
        """Wait for the clean end of the body. Events that arrive can still be received.

        :raises BodyTruncated: the app returned, or was cancelled, without the final body message
        """
        self._exchange.response.window.open()
        self._exchange.notify()
        await self._wait(lambda: self._connection.is_over, "the body did not end", timeout)
        if not self._exchange.response.complete:
            raise self._end()

    async def body(self, timeout: float | None = None) -> bytes:
        """Wait for the clean end of the body and return it, its content coding removed.

        :raises ValueError: it is longer than the MiB that is kept
        """
        await self.closed(timeout)
        return self._reader.whole(self.headers)

    async def text(self, timeout: float | None = None) -> str:
        """Wait for the clean end of the body and return it as UTF-8 text."""
        return (await self.body(timeout)).decode("utf-8", "replace")

    # -- the app -----------------------------------------------------------------------------------

    @property
    def error(self) -> BaseException | None:
        """The exception that the app raised."""
        return self._exchange.task.error

    async def returned(self, timeout: float | None = None) -> None:
        """Wait for the app to return, and raise what it raised.

        :raises AppLeaked: it did not return in time
        """
        await self._connection.returned(timeout)

    async def blocked(self, timeout: float | None = None) -> None:
        """Wait until the app waits in ``send`` for this client to read.

        :raises StreamEnded: the body ended first
        """
        exchange, connection = self._exchange, self._connection
        await self._wait(
            lambda: exchange.is_held_up or connection.is_over, "send was not held up", timeout
        )
        if not exchange.is_held_up:
            raise self._end()

    async def reconnect(self, last_event_id: str | None = None) -> None:
        """Leave and make the same request again with the last event ID, as an ``EventSource`` does.

        What belongs to the response begins anew; events that were not received are gone.

        :param last_event_id: instead of :attr:`last_event_id`; an empty one is not sent
        """
        if last_event_id is None:
            last_event_id = self.last_event_id
        self._retry = self.retry
        self._request = self._request.resumed(last_event_id)
        await self._connection.leave()
        await self._open()

    # -- faults on demand; none of these methods waits ---------------------------------------------

    def disconnect(self) -> None:
        """Leave: ``receive`` returns ``http.disconnect``."""
        self._exchange.disconnect()

    def pause(self, window: int = 0) -> None:
        """Stop reading: ``send`` waits as soon as ``window`` bytes are on their way."""
        self._exchange.pause(window)

    def resume(self) -> None:
        """Read on, beginning with what is on its way."""
        self._exchange.resume()

    def break_send(self, error: Exception | None = None) -> None:
        """Have ``send`` raise from now on, as on a broken connection, while ``receive`` is silent.

        :param error: the error, instead of an :exc:`OSError`
        """
        self._exchange.break_send(error or OSError("the connection is broken"))

    def cancel(self) -> None:
        """Cancel the app, as a server does that stops; ``send`` still works."""
        self._exchange.task.cancel()

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _connection(self) -> ClientConnection:
        return self._entered()[0]

    @property
    def _exchange(self) -> Exchange:
        return self._entered()[0].exchange

    @property
    def _reader(self) -> EventReader:
        return self._entered()[1]

    def _entered(self) -> tuple[ClientConnection, EventReader]:
        if self._opened is None:
            raise RuntimeError("nothing is connected before connect() is entered with 'async with'")
        return self._opened

    async def _open(self) -> None:
        reader = EventReader(
            self._request.last_event_id or "", lambda count: consumed(count), self._max_event_size
        )
        exchange = self._open_exchange(
            self._request, lambda body: reader.feed(body, exchange.response.headers)
        )
        consumed = exchange.consumed
        connection = ClientConnection(
            exchange, timeout=self._timeout, raise_app_exceptions=self._raise_app_exceptions
        )
        self._opened = connection, reader
        try:
            if not await connection.wait_for_head():
                raise StreamTimeout(f"no response within {self._timeout:g} s\n{self._report()}")
        except BaseException as exc:
            await clean_up(connection.leave, exc)
            raise

    async def _wait(
        self, condition: Callable[[], object], what: str, timeout: float | None
    ) -> None:
        if not await self._connection.wait(condition, timeout):
            limit = self._connection.limit(timeout)
            raise StreamTimeout(f"{what} within {limit:g} s\n{self._report()}")

    def _end(self) -> Exception:
        if self._reader.error is not None:
            return self._reader.error
        if self._exchange.response.complete:
            return StreamEnded(f"the body has ended\n{self._report()}")
        if self._exchange.disconnected:
            return StreamEnded(f"this client has disconnected\n{self._report()}")
        self._connection.raise_failure()
        return BodyTruncated(f"the body broke off: more_body was never false\n{self._report()}")

    def _report(self) -> str:
        return describe(self._exchange, self._reader)
