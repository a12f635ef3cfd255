"""The body of an event stream as an iterator of bytes, for frameworks that send it themselves.

Quart, Django and Falcon never hand over the server's ``send``. The stream then runs in a task of
its own on asyncio, and each of its messages waits until the framework has sent the one before.
"""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop, CancelledError, Event, Task, get_running_loop, wait
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, Unpack

from anyio import CancelScope

from ..asgi import Connection, ContentSource, StreamKeywords, StreamOptions
from ..asgi.serving import (
    ContentMaker,
    content_factory,
    discard,
    head_of,
    request_name,
    serve,
    start_thread,
)
from ..errors import Refusal

__all__ = ["EventBody"]

logger: Final = logging.getLogger("sse_asgi")


class EventBody(AsyncIterator[bytes]):
    """Iterates over the body of one stream; asyncio only.

    The framework has sent the head before the content begins, so an error in the content ends the
    body, whenever it comes, and is logged; a :exc:`~sse_asgi.Refusal` just ends it. The content
    sees the context variables of where the body was made.

    :param content: asynchronous or synchronous iterable, or a generator function
    :param scope: the ASGI scope of the request
    :param receive: the server's ``receive``. Needed only if the framework does not detect
        disconnects; a framework that does must close this iterator or cancel the task that iterates
        over it
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(
        self,
        content: ContentSource,
        scope: Any,
        *,
        receive: Callable[[], Awaitable[Any]] | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        self._make = content_factory(content)
        # The head is out: a comment follows at once, since daphne holds it back until then.
        self.options: StreamOptions = StreamOptions(**options).derived(start_timeout=0)
        self.connection: Connection = Connection(scope)
        self._receive = receive
        self._context = copy_context()
        self._loop: AbstractEventLoop | None = None
        with suppress(RuntimeError):  # made in a thread, as a synchronous view of Django's is
            self._loop = get_running_loop()
        self._task: Task[None] | None = None
        self._chunk = b""
        self._arrived = Event()
        self._taken = Event()
        self._left = Event()
        self._refusal: Refusal | None = None
        self._is_dropped = False
        """The session answers with another status than the head has: its body is not sent."""

    def begin(self) -> None:
        """Start the thread that synchronous content needs, before the framework sends the head.

        If there is none, :attr:`status`, :attr:`headers` and the body are those of a 503. Call this
        before you read them. Without an event loop, as in a synchronous view of Django's, it does
        nothing, and the client for which there is no thread gets an empty stream.
        """
        if self._loop is not None:
            self._make, self._refusal = start_thread(self._make, self.options, self.connection)

    @property
    def status(self) -> int:
        """The status for the framework to send."""
        return self.options.status if self._refusal is None else self._refusal.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers for the framework to send."""
        head = head_of(self.options, self.connection, self._refusal)
        return [(name.decode(), value.decode("latin-1")) for name, value in head]

    async def __anext__(self) -> bytes:
        if self._task is None:
            _ = self._start(self._run())
        self._taken.set()
        try:
            await self._arrived.wait()
        except CancelledError:
            await self.aclose()
            raise
        if not self._chunk:
            await self.aclose()
            raise StopAsyncIteration
        self._arrived.clear()
        chunk, self._chunk = self._chunk, b""
        return chunk

    async def aclose(self) -> None:
        """End the stream as if the client had left, and wait until its content is cleaned up."""
        self._leave()
        task = self._task or self._drop()
        if not task.done():
            # For as long as the session gives it; a framework on anyio cancels again and again.
            with CancelScope(shield=True):
                await wait((task,))

    def leave(self) -> None:
        """End the stream as if the client had left, without waiting; from any thread."""
        with suppress(RuntimeError):  # that event loop is gone, and the stream with it
            if self._task is not None and not self._task.done():
                self._task.get_loop().call_soon_threadsafe(self._leave)
            elif self._task is None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._drop)

    def __del__(self) -> None:
        # Falcon answers a HEAD request without a look at the body.
        if getattr(self, "_task", self) is None and self._loop is not None:
            discarding = _discard(self._make, self.options, self.connection)
            try:
                self._loop.call_soon_threadsafe(self._loop.create_task, discarding)
            except RuntimeError:  # the event loop is closed
                discarding.close()

    def _leave(self) -> None:
        self._left.set()
        self._taken.set()

    def _drop(self) -> Task[None]:
        """Close content that the framework has no use for."""
        discarding = _discard(self._make, self.options, self.connection)
        return self._start(discarding)

    def _start(self, running: Coroutine[Any, Any, None]) -> Task[None]:
        if self._task is not None:
            running.close()
            return self._task
        self._task = task = get_running_loop().create_task(running, context=self._context)
        task.add_done_callback(lambda task: self._arrived.set())
        return task

    async def _run(self) -> None:
        try:
            receive = self._receive or self._wait_until_left
            await serve(self._make, self.options, self.connection, receive, self._send, self)
        except Exception:
            logger.exception("%s: the stream failed", request_name(self.connection))

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._is_dropped = message["status"] != self.status
            return
        if message.get("body") and not self._is_dropped:
            self._taken.clear()
            self._chunk = message["body"]
            self._arrived.set()
            if not self._left.is_set():
                await self._taken.wait()
        if not message.get("more_body", False):
            self._arrived.set()

    async def _wait_until_left(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}


async def _discard(make: ContentMaker, options: StreamOptions, connection: Connection) -> None:
    try:
        await discard(make, options, connection)
    except Exception:
        name = request_name(connection)
        logger.exception("%s: content that was not streamed failed to close", name)
