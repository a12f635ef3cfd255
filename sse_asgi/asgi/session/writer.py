"""The one writer of a response: head, event blocks, keep-alive, final body, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import checkpoint

from ...errors import Refusal
from ...wire.batch import EncodedBatch, is_isolated
from .coding import refusal_head
from .state import ClientGone, WriterState

if TYPE_CHECKING:
    from ...headers import Headers
    from ...wire import Compressor
    from ..types import Send

__all__ = ["ResponseWriter"]

EVENTS_PER_TURN: Final = 256
"""Yield to the event loop after this many events, because neither the content nor the server's
``send`` is guaranteed to.
"""

PIECE: Final = 131_072
"""Bytes of a message at most. A server that waits for a slow client holds one message of it."""

EVENTS_PER_LOOK: Final = 32
"""Look after this many events whether the task goes on although it was cancelled..."""

MOMENT: Final = 0.01
"""... or after each one, once the last ones have taken longer than this, in seconds."""


# A member of an enumeration costs as much to look up in its class as half an event to encode.
_HEAD, _TURN, _OPEN, _HALTED, _LAST, _FINAL, _CLOSED = WriterState


class ResponseWriter:
    """Writes one response with the server's ``send``, and is the only one to call it.

    A lock for each event would cost more than the event. There are just two tasks that write, the
    content's and the one that keeps the timers: the second stays away while the first is busy, and
    the first does not go straight to ``send`` while the state is another one than ``OPEN``.

    :param compressor: codes every body of the response, but not of a refusal
    """

    __slots__ = (
        "_body",
        "_compressor",
        "_freed",
        "_headers",
        "_is_broken",
        "_is_open",
        "_is_torn",
        "_now",
        "_status",
        "busy",
        "bytes",
        "events",
        "send",
        "since",
        "state",
    )

    def __init__(
        self,
        send: Send,
        now: Callable[[], float],
        *,
        status: int,
        headers: Headers,
        prefix: str = "http.response",
        compressor: Compressor | None = None,
    ) -> None:
        self.send: Send = send
        self._now = now
        self._freed: anyio.Event | None = None
        self._body = f"{prefix}.body"
        self._status = status
        self._headers: Headers | None = headers
        self._compressor = compressor
        self._is_torn = False
        self._is_broken = False
        """A block was cut short between two of its pieces: only the final body may follow."""
        self.state: WriterState = _HEAD
        self._is_open = False
        """The content may go straight to ``send``: the state is OPEN, and nothing is compressed."""
        self.busy: bool = False
        """A message is with the server's ``send``."""
        self.since: float = now()
        """When the last message was given to ``send``: the client's silence counts from here."""
        self.events: int = 0
        self.bytes: int = 0
        """Bytes of body that were sent, as they are on the wire."""

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

    @property
    def was_cut(self) -> bool:
        """Whether the last message was cut short: the client, or the server, did not take it."""
        return self._is_torn

    async def write_events(
        self,
        items: AsyncIterable[object],
        encode: Callable[[object], bytes],
        first: bytes,
        is_cancelled: Callable[[], object],
    ) -> bool:
        """Write each of ``items`` as it comes; the head and ``first`` go with the first one.

        Returns True at the end of ``items``; False when they go on although the stream has ended.

        :param is_cancelled: tells whether this task goes on although it was cancelled
        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        send, now, kind = self.send, self._now, self._body
        events = size = 0
        turn, look, looked_at = EVENTS_PER_TURN, 1, self.since
        try:
            async for item in items:
                if type(item) is EncodedBatch:
                    body, count = item.body, item.events
                else:
                    body, count = encode(item), 1
                length = len(body)
                if self._is_open and length <= PIECE:
                    # As in write(): calling it would cost a third of the event.
                    self.busy = True
                    self.since = now()
                    try:
                        await send({"type": kind, "body": body, "more_body": True})
                    except OSError as exc:
                        self.close()
                        raise ClientGone from exc
                    except BaseException:
                        self._is_torn = True
                        raise
                    finally:
                        self.busy = False
                    size += length
                else:
                    isolated = is_isolated(item, body)
                    if first and self._headers is not None:
                        body = first + body
                    if not await self.write(body, isolated=isolated):
                        return False
                events += count
                if events >= look:
                    if is_cancelled():
                        return False
                    look = events + (EVENTS_PER_LOOK if self.since - looked_at < MOMENT else 1)
                    looked_at = self.since
                    turn = await _turn(events, turn)
            return True
        finally:
            self.events += events
            self.bytes += size

    async def write_batch(self, batch: EncodedBatch, first: bytes) -> bool:
        """Write one batch of the content; ``first`` goes with the head, before it.

        Returns False once the content may write no more.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        body = batch.body
        if first and self._headers is not None:
            body = first + body
        if not await self.write(body, isolated=batch.isolated):
            return False
        self.events += batch.events
        return self.state < _HALTED

    async def write(self, body: bytes, *, isolated: bool = False, last: bool = False) -> bool:
        """Write ``body``, after the head if that is still to come; ``last`` ends the response.

        Waits while another message is on its way. Returns False, and does nothing, once the
        response has ended, or if it is halted and this is not the last.

        :param isolated: compress ``body`` independently of its neighbours (BREACH)
        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        if self.busy:
            await self._wait_until_free()
        if self.state >= (_LAST if last else _HALTED):
            return False
        self.busy = True
        self.since = self._now()
        self._is_open = False
        if last:
            self.state = _LAST
        elif self.state is _OPEN:
            self.state = _TURN
        headers, self._headers = self._headers, None
        try:
            if headers is not None:
                await self.send(self._head(headers))
                headers = None
            if body:
                if self._compressor is not None:
                    body = self._coded(self._compressor, body, isolated=isolated)
                await self._send(body)
            if last:
                self.state = _FINAL
                end = b"" if self._compressor is None else self._compressor.finish()
                await self.send({"type": self._body, "body": end, "more_body": False})
                self.bytes += len(end)
        except OSError as exc:
            self.state = _CLOSED
            raise ClientGone from exc
        finally:
            self._leave(headers)
        return True

    async def _send(self, body: bytes) -> None:
        """Send a body; a large one in pieces, of which the server holds one for each client."""
        if self._is_broken:
            return  # the body would become a part of the event that was cut in two
        self._is_torn = True
        if len(body) <= PIECE:
            self.since = self._now()
            await self.send({"type": self._body, "body": body, "more_body": True})
            self.bytes += len(body)
        else:
            for start in range(0, len(body), PIECE):
                piece = body[start : start + PIECE]
                self.since = self._now()
                await self.send({"type": self._body, "body": piece, "more_body": True})
                self.bytes += len(piece)
                self._is_broken = True
            self._is_broken = False
        self._is_torn = False

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
            self._is_open = self._compressor is None
        if self._freed is not None:
            self._set_free()

    async def _wait_until_free(self) -> None:
        while self.busy and self.state < _FINAL:
            if self._freed is None:
                self._freed = anyio.Event()
            await self._freed.wait()

    def _set_free(self) -> None:
        freed, self._freed = self._freed, None
        if freed is not None:
            freed.set()

    def _head(self, headers: Headers) -> dict[str, object]:
        return {
            "type": f"{self._body.removesuffix('body')}start",
            "status": self._status,
            "headers": headers.copy(),  # middleware may add to them
        }

    def _coded(self, compressor: Compressor, body: bytes, *, isolated: bool) -> bytes:
        # A message that was cut short has perhaps not gone out: this one must make sense without.
        return compressor.compress(body, isolate=isolated or self._is_torn)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal's status, headers and body instead of events.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        headers = refusal_head(refusal, self._headers or [])
        self._status, self._headers, self._compressor = refusal.status, headers, None
        await self.write(refusal.body, last=True)

    def halt(self) -> None:
        """Take no further events from the content; the last block and the final body may follow."""
        if self.state < _HALTED:
            self.state = _HALTED
            self._is_open = False

    def close(self) -> None:
        """Write nothing more: the client is gone, or not worth waiting for."""
        self.state = _FINAL if self.is_final else _CLOSED
        self._is_open = False
        self._set_free()


async def _turn(events: int, turn: int) -> int:
    """Give the event loop its turn after ``turn`` events; return when it has the next one."""
    if events < turn:
        return turn
    await checkpoint()
    return events + EVENTS_PER_TURN
