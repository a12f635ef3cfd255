"""One stream to one client, from the request to its end.

A session has two tasks: the server's own runs the content and writes its events, and one beside it
listens for the client to leave. Where the event loop's pump writes what the content has ready (see
:mod:`.ready`), the server's own listens. The event loop's ticker looks at the session's keeper,
which has the head sent when the first event is late, keeps the connection alive, and ends what
takes too long.

Whatever ends the content or interrupts it (see :mod:`.ending`), then follow, in the server's task
and in this order: the content's ``finally`` blocks, a last block, the final body, ``on_close``, and
only now the content's exception. Raising before the final body leaves clients of daphne and of
hypercorn's HTTP/2 waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from types import AsyncGeneratorType
from typing import Any

import anyio
from anyio import sleep_forever
from anyio.lowlevel import checkpoint

from ..connection import Connection
from ..content.ready import is_ready_content
from ..content.source import check_content, close_content, open_content
from ..loop import LoopState
from ..options import StreamOptions
from ..outcome import CloseReason
from ..types import Receive, Send
from .control import Ending
from .deadlines import FAREWELL_TIMEOUT
from .delivery import Delivery
from .farewell import report, take_leave
from .writer import ClientGone

__all__ = ["ContentMaker", "Session"]

ContentMaker = Callable[[Connection], Any]

DISCONNECTS = ("http.disconnect", "websocket.disconnect")


class Session(Ending):
    """Streams the content that ``make`` gives for ``connection``."""

    __slots__ = ("_is_deaf", "_items", "_make", "_receive")

    def __init__(
        self,
        make: ContentMaker,
        options: StreamOptions,
        connection: Connection,
        receive: Receive,
        send: Send,
        owner: object,
        loop: LoopState,
    ) -> None:
        super().__init__(options, connection, send, owner, loop)
        self._make = make
        self._receive = receive
        self._items: object = None
        self._is_deaf = False  # nobody listens to the client, and nobody is about to

    async def run(self) -> None:
        """Stream until the content ends or something ends the stream.

        :raises Exception: the one that the content raised
        """
        self.loop.watch(self)  # before anything is sent: the signal may come any time
        try:
            try:
                await self.tasks.run(self._stream)
                if self._items is not None and not self.is_interrupted:
                    await self.tasks.run(self._conclude)
            except RuntimeError as exc:
                self.fail(exc)
            if not self.response.closed or self._items is not None:
                await self._finish_in_time()
        except BaseException as exc:
            # The server cancels the request, as daphne and hypercorn do when they stop.
            self.note(CloseReason.SERVER_STOPPING)
            await self._finish_in_time()
            if not self._knew_of(exc):
                raise
        finally:
            self.loop.unwatch(self)
            self.let_go()
            if self.options.on_close is not None:
                await report(self.options, self.summary(), self.name)
        if self.error is not None:
            raise self.error

    def _knew_of(self, exc: BaseException) -> bool:
        """Tell whether a cancellation only repeats the notice that the stream has ended for.

        daphne waits for no other stream any more once one has raised its cancellation.
        """
        noticed = self.stopping is CloseReason.SERVER_STOPPING and self.loop.on_asyncio
        return noticed and isinstance(exc, anyio.get_cancelled_exc_class())

    # -- the two tasks -----------------------------------------------------------------------------

    async def _stream(self) -> None:
        options = self.options
        try:
            self._items = content = self._make(self.connection)
            if isinstance(content, AsyncGeneratorType):
                self.tasks.start(self._listen)
                await self.response.write_events(content, options.encode, options.first)
            else:
                await self._stream_other(content)
        except ClientGone:
            self.note(CloseReason.CLIENT_GONE)
        except Exception as exc:
            self.fail(exc)
        else:
            self.note(self.stopping)
        await self._conclude()

    async def _stream_other(self, content: Any) -> None:
        """Stream whatever ``make`` gave that is no asynchronous generator."""
        alone = is_ready_content(content)
        if not alone:
            self.tasks.start(self._listen)
            if isawaitable(content):
                content = await content
            check_content(content, "what the handler returned")
        if is_ready_content(content):
            self._items = delivery = Delivery(self, content)
            self._is_deaf = alone
            self.keep()
            if await delivery.deliver():
                # The event loop's pump does the rest.
                if not self._is_deaf:
                    await sleep_forever()
                self._is_deaf = False
                await self._listen(alone=True)
        else:
            self._items = items = open_content(content, self.options.encode, self.loop)
            await self.response.write_events(items, self.options.encode, self.options.first)

    def hear(self) -> None:
        # The session's own task is to listen, but waits for the client to take the first message.
        if self._is_deaf:
            self._is_deaf = False
            self.tasks.start(self._listen)

    async def _listen(self, *, alone: bool = False) -> None:
        """Wait for the client to leave, and stop at the first notice of it.

        A further ``receive`` would block for ever on hypercorn and daphne, and return at once, each
        time, on uvicorn and granian.

        :param alone: in the session's own task
        """
        self.keep()
        reason = CloseReason.CLIENT_GONE
        try:
            while (await self._receive())["type"] not in DISCONNECTS:
                await checkpoint()  # the request's body: of no interest any more
        except OSError:
            pass
        except Exception as exc:
            self.fail(exc)
            reason = CloseReason.ERROR
        if not alone:
            self.end(reason)
        else:
            self.note(reason)
            if reason is CloseReason.CLIENT_GONE:
                self.response.close()

    async def _conclude(self) -> None:
        """Close the content, and end the response that it has left open."""
        if not self.response.closed:
            self.tasks.start(self._listen)
        await self._close_content()
        # Cancelled content may go on, or fail; what is sent now may be cancelled, too.
        if not self.tasks.is_cancelled:
            await take_leave(self)

    async def _finish_in_time(self) -> None:
        """Do what an interruption left to do, now that nobody listens to the client."""
        await self._close_content()
        if not self.response.closed:
            with anyio.move_on_after(FAREWELL_TIMEOUT, shield=True) as limit:
                await take_leave(self)
            if limit.cancelled_caught:
                self.abort()

    async def _close_content(self) -> None:
        items, self._items = self._items, None
        # The usual content is a generator that has ended: it has no frame any more.
        if items is None or getattr(items, "ag_frame", self) is None:
            return
        self.is_closing_content = True
        with anyio.move_on_after(self.options.cleanup_timeout, shield=True):
            try:
                await close_content(items)
            except Exception as exc:
                self.fail(exc)
        self.is_closing_content = False
