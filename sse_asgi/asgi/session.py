"""One stream to one client, from the request to its end.

A session has two tasks: the server's own runs the content and writes its events, and one beside it
listens for the client to leave. The event loop's ticker looks at its keeper, which has the head
sent when the first event is late, keeps the connection alive, and ends what takes too long.

Whatever ends a stream early goes through :meth:`Session.end`, which notes the reason and interrupts
the content. Then follow, in the server's task and in this order: the content's ``finally`` blocks,
a last block, the final body, ``on_close``, and only now the content's exception. Raising before the
final body leaves clients of daphne and of hypercorn's HTTP/2 waiting for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import AsyncGeneratorType
from typing import Any

import anyio
from anyio import sleep_forever
from anyio.lowlevel import checkpoint

from ..errors import Refusal
from .abort import abort_connection
from .coding import CodedSend, negotiate
from .connection import Connection
from .content import check_content, close_content, open_content
from .farewell import error_block, report, retry_block
from .keeper import FAREWELL_TIMEOUT, NEVER, Keeper
from .loop import LoopState
from .options import StreamOptions
from .ready import Delivery, is_ready_content
from .response import ClientGone, EventResponse, Send
from .summary import CloseReason, StreamSummary

__all__ = ["ContentMaker", "Receive", "Session"]

logger = logging.getLogger("sse_asgi")

Receive = Callable[[], Awaitable[Any]]
ContentMaker = Callable[[Connection], Any]

DISCONNECTS = ("http.disconnect", "websocket.disconnect")


class Session:
    """Streams the content that ``make`` gives for ``connection``."""

    __slots__ = (
        "_began",
        "_closing",
        "_coded",
        "_connection",
        "_error",
        "_host",
        "_is_deaf",
        "_items",
        "_keeper",
        "_make",
        "_reason",
        "_receive",
        "_send",
        "_took_leave",
        "loop",
        "options",
        "owner",
        "response",
        "stopping",
    )

    def __init__(
        self,
        make: ContentMaker,
        options: StreamOptions,
        connection: Connection,
        receive: Receive,
        send: Send,
        owner: object,
    ) -> None:
        self.owner = owner
        """The application that the stream belongs to."""
        self.loop = loop = LoopState.current()
        self.options = options
        websocket = connection.scope["type"] == "websocket"
        headers, compressor = negotiate(options, connection)
        self._coded = None if compressor is None else CodedSend(send, compressor, headers)
        self.response = EventResponse(
            self._coded or send,
            loop.clock.now,
            status=options.status,
            headers=headers,
            prefix="websocket.http.response" if websocket else "http.response",
        )
        self.stopping = CloseReason.COMPLETED
        """The reason that holds when the content comes to its end."""
        self._make = make
        self._connection = connection
        self._receive = receive
        self._send = send
        self._host = loop.new_host()
        self._began = self.response.since
        self._keeper: Keeper | None = None
        self._items: object = None
        self._reason: CloseReason | None = None
        self._error: Exception | None = None
        self._closing = False
        self._is_deaf = False
        self._took_leave = False

    async def run(self) -> None:
        """Stream until the content ends or something ends the stream.

        :raises Exception: the one that the content raised
        """
        self.loop.watch(self)  # before anything is sent: the signal may come any time
        try:
            try:
                await self._host.run(self._stream)
                if self._items is not None and not self._is_interrupted:
                    await self._host.run(self._conclude)
            except RuntimeError as exc:
                self.fail(exc)
            if not self.response.closed or self._items is not None:
                await self._finish_in_time()
        except BaseException as exc:
            # The server cancels the request, as daphne and hypercorn do when they stop.
            self._note(CloseReason.SERVER_STOPPING)
            await self._finish_in_time()
            if not self._knew_of(exc):
                raise
        finally:
            self.loop.unwatch(self)
            if self._keeper is not None:
                self.loop.ticker.discard(self._keeper)
                self._keeper.close()
            if self.options.on_close is not None:
                await report(self.options, self._summary(), self._name)
        if self._error is not None:
            raise self._error

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
            self._items = content = self._make(self._connection)
            if isinstance(content, AsyncGeneratorType):
                self._host.start(self._listen)
                await self.response.write_events(content, options.encode, options.first)
            else:
                await self._stream_other(content)
        except ClientGone:
            self._note(CloseReason.CLIENT_GONE)
        except Exception as exc:
            self.fail(exc)
        else:
            self._note(self.stopping)
        await self._conclude()

    async def _stream_other(self, content: Any) -> None:
        """Stream whatever ``make`` gave that is no asynchronous generator."""
        alone = is_ready_content(content)
        if not alone:
            self._host.start(self._listen)
            if isawaitable(content):
                content = await content
            check_content(content, "what the handler returned")
        if is_ready_content(content):
            self._items = delivery = Delivery(self, content)
            self._is_deaf = alone
            self._keep()
            if await delivery.deliver():
                # The event loop's pump does the rest.
                if not self._is_deaf:
                    await sleep_forever()
                self._is_deaf = False
                self._note(await self._await_disconnect())
                if self._reason is CloseReason.CLIENT_GONE:
                    self.response.close()
        else:
            self._items = items = open_content(content, self.options.encode, self.loop)
            await self.response.write_events(items, self.options.encode, self.options.first)

    def hear(self) -> None:
        """Listen to the client while the session's own task waits for it to take a message."""
        if self._is_deaf:
            self._is_deaf = False
            self._host.start(self._listen)

    async def _listen(self) -> None:
        self._keep()
        self.end(await self._await_disconnect())

    def _keep(self) -> None:
        """Have the ticker look at the session from now on."""
        if self._keeper is not None:
            return
        now = self.loop.clock.now()
        self._keeper = keeper = Keeper(self, self._began)
        when, due = keeper.look(now)
        self.loop.ticker.add(keeper, now if due else when)
        if self.stopping is not CloseReason.COMPLETED:
            self._stop_in_time(keeper)
        elif self.loop.shutdown.is_stopping:
            self.stop(CloseReason.SERVER_STOPPING)

    async def _await_disconnect(self) -> CloseReason:
        """Wait for the client to leave, and stop at the first notice of it.

        A further ``receive`` would block for ever on hypercorn and daphne, and return at once, each
        time, on uvicorn and granian.
        """
        try:
            while (await self._receive())["type"] not in DISCONNECTS:
                await checkpoint()  # the request's body: of no interest any more
        except OSError:
            pass
        except Exception as exc:
            self.fail(exc)
            return CloseReason.ERROR
        return CloseReason.CLIENT_GONE

    async def _conclude(self) -> None:
        """Close the content, and end the response that it has left open."""
        if not self.response.closed:
            self._host.start(self._listen)
        await self._close_content()
        # Cancelled content may go on, or fail; what is sent now may be cancelled, too.
        if not self._host.is_cancelled:
            await self._end_response()

    # -- ending ------------------------------------------------------------------------------------

    def stop(self, reason: CloseReason) -> None:
        """End the stream; content that watches the notice has its grace."""
        if self.stopping is CloseReason.COMPLETED:
            self.stopping = reason
            self._connection.shutdown.give()
            if self._keeper is not None:
                self._stop_in_time(self._keeper)

    def _stop_in_time(self, keeper: Keeper) -> None:
        watched = self._connection.shutdown.is_watched
        grace = self.options.shutdown_grace if watched else 0
        if grace or self.response.busy:
            keeper.stop_at(self.loop.clock.now() + grace)
        else:
            self.end(self.stopping)  # at once: daphne waits for nobody

    def end(self, reason: CloseReason) -> None:
        """End the stream now, for ``reason`` if there is none yet."""
        self._note(reason)
        if reason in (CloseReason.CLIENT_GONE, CloseReason.SLOW_CLIENT):
            self.response.close()
        keeper = self._keeper
        if keeper is None or self._is_interrupted:
            return
        keeper.interrupted(self.loop.clock.now())
        # Neither the content's clean-up nor a final body that the server is at work on is
        # interrupted; the keeper sees to them.
        if not (self._closing or self.response.ending):
            self.response.halt()
            self._host.interrupt()

    def finish(self, error: Exception | None = None) -> None:
        """End the stream since its content has ended, or failed, outside of the session's tasks."""
        if error is None:
            self._note(self.stopping)
        else:
            self.fail(error)
        self._host.interrupt()

    def fail(self, error: Exception) -> None:
        """Note that the stream ends with ``error``."""
        if self._reason is not None:
            logger.error("%s: failed while the stream was closing", self._name, exc_info=error)
            return
        self._error = error
        refused = isinstance(error, Refusal) and not self.response.started
        self._reason = CloseReason.REFUSED if refused else CloseReason.ERROR

    def interrupt(self) -> None:
        """Interrupt the content, or its clean-up."""
        self._host.interrupt()

    def abort(self) -> None:
        """Close the connection of a client that has stopped reading, where the server lets us."""
        self.response.close()
        abort_connection(self._send)

    @property
    def _is_interrupted(self) -> bool:
        return self._keeper is not None and self._keeper.interrupted_at < NEVER

    @property
    def is_ending(self) -> bool:
        """Whether there is a reason for the end: no keep-alive any more, nor a late head."""
        return self._reason is not None

    def _note(self, reason: CloseReason) -> None:
        if self._reason is None:
            self._reason = reason

    async def _finish_in_time(self) -> None:
        """Do what an interruption left to do, now that nobody listens to the client."""
        await self._close_content()
        if not self.response.closed:
            with anyio.move_on_after(FAREWELL_TIMEOUT, shield=True) as limit:
                await self._end_response()
            if limit.cancelled_caught:
                self.abort()

    async def _close_content(self) -> None:
        items, self._items = self._items, None
        # The usual content is a generator that has ended: it has no frame any more.
        if items is None or getattr(items, "ag_frame", self) is None:
            return
        self._closing = True
        with anyio.move_on_after(self.options.cleanup_timeout, shield=True):
            try:
                await close_content(items)
            except Exception as exc:
                self.fail(exc)
        self._closing = False

    async def _end_response(self) -> None:
        response, error = self.response, self._error
        if response.closed:
            return
        try:
            if self._reason is CloseReason.REFUSED and isinstance(error, Refusal):
                self._error = None
                await response.refuse(error)
            elif error is None or response.started:
                await response.write(await self._last_block(), last=True)
            # Otherwise the server, or the framework around us, makes an error response of it.
        except ClientGone:
            pass
        except Exception as exc:
            self.fail(exc)

    async def _last_block(self) -> bytes:
        if self._took_leave:
            return b""  # an interruption came before the final body
        self._took_leave = True
        if self._error is not None:
            return await error_block(self.options, self._error, self._name)
        block = b"" if self.response.started else self.options.first
        if self._reason in (CloseReason.SERVER_STOPPING, CloseReason.LIFETIME):
            block += retry_block(self.options)
        return block

    def _summary(self) -> StreamSummary:
        response, reason = self.response, self._reason or CloseReason.COMPLETED
        seconds = self.loop.clock.now() - self._began
        size = response.bytes if self._coded is None else self._coded.bytes
        return StreamSummary(reason, response.events, size, seconds, self._error)

    @property
    def _name(self) -> str:
        return f"{self._connection.method} {self._connection.scope.get('path')}"
