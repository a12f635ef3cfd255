"""The one writer of a response: head, event blocks, keep-alive, final body, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ..errors import Refusal
from ..wire import EncodedBatch

__all__ = ["ClientGone", "EventResponse", "Headers", "Send"]

Headers = list[tuple[bytes, bytes]]
Send = Callable[[Any], Awaitable[None]]

EVENTS_PER_TURN = 128
"""Events sent before the event loop gets a turn: neither content nor a server's send need ever
wait.
"""


class ClientGone(Exception):
    """The server's ``send`` said that the client has left (ASGI HTTP 2.4)."""


class EventResponse:
    """Writes one response with the server's ``send``, and is the only one to call it.

    A lock for each event would cost more than the event. There are just two writers, the content's
    task and the ticker: ``busy`` says that a message is on its way, the ticker then stays away, and
    ``_hold`` tells the content's task that it must not go straight to ``send``.
    """

    __slots__ = (
        "_body",
        "_freed",
        "_halted",
        "_hold",
        "_now",
        "_send",
        "_start",
        "busy",
        "bytes",
        "closed",
        "ending",
        "events",
        "since",
        "started",
    )

    def __init__(
        self,
        send: Send,
        now: Callable[[], float],
        *,
        status: int,
        headers: Headers,
        prefix: str = "http.response",
    ) -> None:
        self._send = send
        self._now = now
        self._hold = True  # until the head is out
        self._freed: anyio.Event | None = None
        self._body = f"{prefix}.body"
        self._start = {"type": f"{prefix}.start", "status": status, "headers": headers}
        self.busy = False
        """A message is with the server's ``send``."""
        self.since = now()
        """When the last message was given to ``send``: the client's silence counts from here."""
        self.started = False
        """The head is on its way, or out."""
        self.closed = False
        """Nothing more may be written."""
        self.ending = False
        """The final body is on its way, or out."""
        self._halted = False
        self.events = 0
        self.bytes = 0

    async def write_events(
        self, items: AsyncIterable[object], encode: Callable[[object], bytes], first: bytes
    ) -> None:
        """Write each of ``items`` as it comes; the head and ``first`` go with the first one.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        send, now, kind = self._send, self._now, self._body
        events = size = 0
        turn = EVENTS_PER_TURN
        try:
            async for item in items:
                if self._hold or type(item) is EncodedBatch:
                    batch = item if type(item) is EncodedBatch else EncodedBatch(encode(item), 1)
                    if not await self.write_batch(batch, first):
                        return  # the content went on although it was cancelled
                    turn -= batch.events
                else:
                    body = encode(item)
                    # As in write(), whose call would cost a third of the event.
                    self.busy = True
                    self.since = now()
                    try:
                        await send({"type": kind, "body": body, "more_body": True})
                    except OSError as exc:
                        self.closed = self._hold = True
                        raise ClientGone from exc
                    finally:
                        self.busy = False
                    events += 1
                    size += len(body)
                if events >= turn:
                    turn = events + EVENTS_PER_TURN
                    await checkpoint()
        finally:
            self.events += events
            self.bytes += size

    async def write_batch(self, batch: EncodedBatch, first: bytes) -> bool:
        """Write what is encoded already; the head and ``first`` go before the first of all.

        Returns False, and does nothing, once the response is closed or halted.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        body, events = batch
        if self._hold:
            if first and not self.started:
                body = type(body)(first + body)  # an isolated block stays one
            if self._halted or not await self.write(body):
                return False
        else:
            self.busy = True
            self.since = self._now()
            try:
                await self._send({"type": self._body, "body": body, "more_body": True})
            except OSError as exc:
                self.closed = self._hold = True
                raise ClientGone from exc
            finally:
                self.busy = False
                if self._freed is not None:
                    self._set_free()
            self.bytes += len(body)
        self.events += events
        return True

    async def write(self, body: bytes, *, last: bool = False) -> bool:
        """Write ``body``, after the head if that is still to come; ``last`` ends the response.

        Waits while another message is on its way. Returns False, and does nothing, once the
        response is closed.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        while self.busy and not self.closed:
            if self._freed is None:
                self._freed = anyio.Event()
            await self._freed.wait()
        if self.closed:
            return False
        self.busy = self._hold = True
        self.ending = last
        self.since = self._now()
        try:
            if not self.started:
                await self._write_head()
            if body:
                await self._send({"type": self._body, "body": body, "more_body": True})
                self.bytes += len(body)
            if last:
                self.closed = True
                await self._send({"type": self._body, "body": b"", "more_body": False})
        except OSError as exc:
            self.closed = True
            raise ClientGone from exc
        finally:
            self.busy = False
            self._hold = self.closed or self._halted
            if self._freed is not None:
                self._set_free()
        return True

    def _set_free(self) -> None:
        freed, self._freed = self._freed, None
        if freed is not None:
            freed.set()

    async def _write_head(self) -> None:
        self.started = True
        try:
            await self._send(self._start)
        except BaseException:
            self.closed = True  # nobody knows whether it went out, so nothing can follow it
            raise

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal's status, headers and body instead of events.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers
        ]
        if refusal.body and not any(name == b"content-type" for name, _ in headers):
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        self._start = {**self._start, "status": refusal.status, "headers": headers}
        await self.write(refusal.body, last=True)

    def halt(self) -> None:
        """Take no further events from the content; the last block and the final body may follow."""
        self._halted = self._hold = True

    def close(self) -> None:
        """Write nothing more: the client is gone, or not worth waiting for."""
        self.closed = self._hold = True
        self._set_free()
