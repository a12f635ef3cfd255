"""The one writer of a response: head, event blocks, keep-alive, final body, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING

import anyio
from anyio import EndOfStream
from anyio.lowlevel import checkpoint

from ...errors import Refusal
from ...wire import EncodedBatch, IsolatedBlock

if TYPE_CHECKING:
    from ..content.ready import ReadyContent

from ...headers import Headers
from ..types import Send

__all__ = [
    "ClientGone",
    "ResponseWriter",
]


OF_EVERY_ANSWER = frozenset(
    {b"vary", b"access-control-allow-origin", b"access-control-allow-credentials"}
)
"""The head's fields that a refusal has as well, or a page of another origin could not read it."""

EVENTS_PER_TURN = 256
"""Events sent before the event loop gets a turn: neither content nor a server's send need ever
wait.
"""


class ClientGone(Exception):
    """The server's ``send`` said that the client has left (ASGI HTTP 2.4)."""


class ResponseWriter:
    """Writes one response with the server's ``send``, and is the only one to call it.

    A lock for each event would cost more than the event. There are just two writers, the content's
    task and the ticker: ``busy`` says that a message is on its way, the ticker then stays away, and
    ``_hold`` tells the content's task that it must not go straight to ``send``.
    """

    __slots__ = (
        "_body",
        "_freed",
        "_halted",
        "_headers",
        "_hold",
        "_now",
        "_send",
        "_status",
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
        self._status = status
        self._headers = headers
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
                if type(item) is EncodedBatch:
                    body, count = item
                else:
                    body, count = encode(item), 1
                if self._hold:
                    if not await self._write_held(body, first):
                        return  # the content went on although it was cancelled
                else:
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
                    size += len(body)
                events += count
                if events >= turn:
                    turn = events + EVENTS_PER_TURN
                    await checkpoint()
        finally:
            self.events += events
            self.bytes += size

    async def write_ready(
        self, content: ReadyContent, wake: Callable[[], object], first: bytes
    ) -> bool:
        """Write what ``content`` has ready, and let it call ``wake`` when it has more.

        The head and ``first`` go before the first of all. Returns False at the content's end.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        if self._hold and (self.closed or self._halted):
            return True
        try:
            batch = content.take()
        except EndOfStream:
            return False
        if batch is not None:
            body, events = batch
            if self._hold:
                if not await self._write_held(body, first):
                    return True
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
            if self._hold:
                return True  # it ended meanwhile
        content.when_ready(wake)
        return True

    async def _write_held(self, body: bytes, first: bytes) -> bool:
        if first and not self.started:
            joined = first + body
            body = IsolatedBlock(joined) if type(body) is IsolatedBlock else joined
        return not self._halted and await self.write(body)

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
            await self._send(
                {
                    "type": f"{self._body.removesuffix('body')}start",
                    "status": self._status,
                    "headers": self._headers.copy(),  # middleware may add to them
                }
            )
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
        for pair in self._headers:
            if pair[0] in OF_EVERY_ANSWER and pair not in headers:
                headers.append(pair)
        self._status, self._headers = refusal.status, headers
        await self.write(refusal.body, last=True)

    def halt(self) -> None:
        """Take no further events from the content; the last block and the final body may follow."""
        self._halted = self._hold = True

    def close(self) -> None:
        """Write nothing more: the client is gone, or not worth waiting for."""
        self.closed = self._hold = True
        self._set_free()
