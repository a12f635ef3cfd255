"""The one writer of a response: head, event blocks, keep-alive, final body, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio

from ...errors import Refusal
from .coding import refusal_head
from .deadlines import NEVER
from .state import ClientGone, Held, WriterState

if TYPE_CHECKING:
    from ...headers import Headers
    from ...wire import Compressor
    from ...wire.batch import EncodedBatch
    from ..types import Send

__all__ = ["DENIAL", "HTTP", "PIECE", "ResponseWriter"]

HTTP: Final = ("http.response.start", "http.response.body")
"""The types of the messages of a response (ASGI HTTP 2.4)."""

DENIAL: Final = ("websocket.http.response.start", "websocket.http.response.body")
"""The types of the messages that deny a websocket (ASGI, "WebSocket Denial Response")."""

PIECE: Final = 131_072
"""Bytes of a message at most. A server that waits for a slow client holds one message of it."""

_CLOSED_TO_CONTENT: Final = -1

# A member of an enumeration costs as much to look up in its class as half an event to encode.
_HEAD, _TURN, _OPEN, _HALTED, _LAST, _FINAL, _CLOSED = WriterState


class ResponseWriter:
    """Writes one response with the server's ``send``, and is the only one to call it.

    A lock for each event would cost more than the event. Just two tasks write: that of the timers
    stays away while the content's is busy, which goes straight to ``send`` only while it may.

    :param compressor: codes every body of the response, but not of a refusal
    """

    __slots__ = (
        "_compressor",
        "_freed",
        "_headers",
        "_is_broken",
        "_start",
        "_status",
        "busy",
        "bytes",
        "events",
        "first_at",
        "is_torn",
        "kind",
        "limit",
        "now",
        "send",
        "since",
        "state",
        "window",
    )

    def __init__(
        self,
        send: Send,
        now: Callable[[], float],
        *,
        status: int,
        headers: Headers,
        kinds: tuple[str, str] = HTTP,
        compressor: Compressor | None = None,
    ) -> None:
        self.send: Send = send
        self.now: Callable[[], float] = now
        self._freed: anyio.Event | None = None
        self._start = kinds[0]
        self.kind: str = kinds[1]
        self._status = status
        self._headers: Headers | None = headers
        self._compressor = compressor
        self.is_torn: bool = False
        """The last message was cut short: the client, or the server, did not take it."""
        self._is_broken = False  # a block was cut short between pieces: only the final body follows
        self.state: WriterState = _HEAD
        self.limit: int = _CLOSED_TO_CONTENT
        """Bytes of a message with which the content may go straight to ``send``: :data:`PIECE`
        while the state is OPEN and nothing is compressed, and none otherwise."""
        self.busy: bool = False
        """A message is with the server's ``send``."""
        self.since: float = now()
        """When the last message was given to ``send``: the client's silence counts from here."""
        self.events: int = 0
        self.first_at: float | None = None
        """When the first event was given to ``send``."""
        self.bytes: int = 0  # as they are on the wire
        self.window: Held | None = None
        """Holds the content's events for some milliseconds, if there is one."""

    @property
    def flush_at(self) -> float:
        """When the events must go out that the window holds."""
        return NEVER if self.window is None else self.window.due_at

    @property
    def started(self) -> bool:
        """Whether the head is on its way, or out."""
        return self._headers is None

    @property
    def is_final(self) -> bool:
        """Whether the last block or the final body is on its way."""
        return _LAST <= self.state <= _FINAL

    @property
    def is_halted(self) -> bool:
        """Whether the content may write no more."""
        return self.state >= _HALTED

    @property
    def is_closed(self) -> bool:
        """Whether nothing may follow."""
        return self.state is _CLOSED

    async def write_batch(self, batch: EncodedBatch, first: bytes) -> bool:
        """Write one batch of the content; ``first`` goes with the head, before it.

        Returns False once the content may write no more.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        body = batch.body
        if self.busy or len(body) > self.limit:
            if not await self.write(body, first=first, isolated=batch.isolated):
                return False
        else:  # straight to ``send``: two coroutines in between would cost a third of a delivery
            self.busy, self.since = True, self.now()
            try:
                await self.send({"type": self.kind, "body": body, "more_body": True})
            except BaseException as exc:
                self.message_failed(exc)
                raise
            finally:
                self._leave(None)
            self.bytes += len(body)
        if not self.events:
            self.first_at = self.since
        self.events += batch.events
        return self.state < _HALTED

    def note_events(self) -> float:
        """Note that events were sent, perhaps the first; return when the last message was given."""
        if self.first_at is None:
            self.first_at = self.since
        return self.since

    async def write(
        self,
        body: bytes,
        *,
        first: bytes = b"",
        isolated: bool = False,
        last: bool = False,
        end: bytes = b"",
    ) -> bool:
        """Write ``body``, after the head if that is still to come; ``last`` ends the response.

        Waits while another message is on its way. Returns False, and does nothing, once the
        response has ended, or if it is halted and this is not the last.

        :param first: goes before ``body`` if the head is still to come
        :param isolated: compress ``body`` independently of its neighbours (BREACH)
        :param end: the final body, if nothing is compressed
        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        if self.busy:
            await self.wait_until_free()
        if self.state >= (_LAST if last else _HALTED):
            return False
        self.busy = True
        self.since = self.now()
        self.limit = _CLOSED_TO_CONTENT
        if last:
            self.state = _LAST
        elif self.state is _OPEN:
            self.state = _TURN
        headers, self._headers = self._headers, None
        try:
            if headers is not None:
                # A copy of the headers, since middleware may add to them.
                head = {"type": self._start, "status": self._status, "headers": headers.copy()}
                await self.send(head)
                body, headers = first + body, None
            if last and self.window is not None:
                await self._send_held(self.window)
            if body and not self._is_broken:
                await self._send(body, isolated)
            if last:
                self.state = _FINAL
                end = end if self._compressor is None else self._compressor.finish()
                await self.send({"type": self.kind, "body": end, "more_body": False})
                self.bytes += len(end)
        except OSError as exc:
            self.state = _CLOSED
            raise ClientGone from exc
        finally:
            self._leave(headers)
        return True

    async def _send(self, body: bytes, isolated: bool) -> None:
        """Send a body; a large one in pieces, of which the server holds one for each client."""
        if self._compressor is not None:
            # A message that was cut short has perhaps not gone out: this one must make sense
            # without it.
            body = self._compressor.compress(body, isolate=isolated or self.is_torn)
        self.is_torn = True
        sent = 0
        while len(body) - sent > PIECE:
            piece = body[sent : sent + PIECE]
            self.since = self.now()
            await self.send({"type": self.kind, "body": piece, "more_body": True})
            self.bytes += PIECE
            sent += PIECE
            self._is_broken = True
        if sent:
            body = body[sent:]
        self.since = self.now()
        await self.send({"type": self.kind, "body": body, "more_body": True})
        self.bytes += len(body)
        self.is_torn = self._is_broken = False

    async def _send_held(self, window: Held) -> None:
        while not self._is_broken and (batch := window.take()) is not None:
            await self._send(batch.body, batch.isolated)
            self.events += batch.events

    def _leave(self, headers: Headers | None) -> None:
        """Let others write, as far as the state allows.

        :param headers: those of a head that was cut short: nobody knows whether it went out
        """
        self.busy = False
        state = self.state
        if headers is not None or state is _FINAL:
            self.state = _CLOSED
        elif state is _LAST:
            self.state = _HALTED
        elif state is _TURN or state is _HEAD:
            self.state = _OPEN
            self.limit = PIECE if self._compressor is None else _CLOSED_TO_CONTENT
        self._set_free()

    async def wait_until_free(self) -> None:
        """Wait until no message is on its way, or until nothing may follow it."""
        while self.busy and self.state < _FINAL:
            if self._freed is None:
                self._freed = anyio.Event()
            await self._freed.wait()

    def _set_free(self) -> None:
        if self._freed is not None:
            self._freed.set()
            self._freed = None

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal's status, headers and body instead of events.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        headers = refusal_head(refusal, self._headers or [])
        self._status, self._headers, self._compressor = refusal.status, headers, None
        # granian takes the denial of a websocket in no more than one message of body.
        await self.write(b"", last=True, end=refusal.body)

    def message_failed(self, error: BaseException) -> None:
        """Take note that ``send`` raised ``error`` for a message of the content's.

        :raises ClientGone: it is an :exc:`OSError`
        """
        self.busy = False
        if isinstance(error, OSError):
            self.close()
            raise ClientGone from error
        self.is_torn = True

    def halt(self) -> None:
        """Take no further events from the content; the last block and the final body may follow."""
        if self.state < _HALTED:
            self.state = _HALTED
            self.limit = _CLOSED_TO_CONTENT

    def close(self) -> None:
        """Write nothing more: the client is gone, or not worth waiting for."""
        self.state = _FINAL if self.is_final else _CLOSED
        self.limit = _CLOSED_TO_CONTENT
        self._set_free()
