"""The body of an event stream as an iterator of bytes, for frameworks that send it themselves.

Quart, Django and Falcon never hand over the server's ``send``. The stream then runs in a task of
its own on asyncio, and each of its messages waits until the framework has sent the one before.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError, Event, Task, get_running_loop, wait
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Unpack

from anyio import CancelScope

from ..asgi import Connection, ContentSource, Notice, StreamKeywords, StreamOptions
from ..asgi.content.source import content_factory
from ..asgi.serving import serve
from ..asgi.session.coding import negotiate

__all__ = ["EventBody"]

logger = logging.getLogger("sse_asgi")


class EventBody(AsyncIterator[bytes]):
    """Iterates over the body of one stream; asyncio only.

    The framework has sent the head before the content begins, so an error in the content ends the
    body, whenever it comes, and is logged; a :exc:`~sse_asgi.Refusal` just ends it. The content
    sees the context variables of where the body was made.

    :param content: asynchronous or synchronous iterable, or a generator function
    :param scope: the ASGI scope of the request
    :param receive: the server's ``receive``, where the framework does not watch for the client's
        leaving; otherwise it must close the body, or cancel who iterates over it
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
        self.options = StreamOptions(**options).derived(start_timeout=0)
        self.connection = Connection(scope, Notice())
        self._receive = receive or self._wait_until_left
        self._context = copy_context()
        self._task: Task[None] | None = None
        self._chunk = b""
        self._arrived = Event()
        self._taken = Event()
        self._left = Event()
        self._refused = False

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers that the framework is to send."""
        head, _ = negotiate(self.options, self.connection)
        return [(name.decode(), value.decode("latin-1")) for name, value in head]

    async def __anext__(self) -> bytes:
        if self._task is None:
            loop = get_running_loop()
            self._task = loop.create_task(self._run(), context=self._context)
            self._task.add_done_callback(lambda task: self._arrived.set())
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
        if self._task is not None and not self._task.done():
            # For as long as the session gives it; a framework on anyio cancels again and again.
            with CancelScope(shield=True):
                await wait((self._task,))

    def leave(self) -> None:
        """End the stream as if the client had left, without waiting; from any thread."""
        if self._task is not None and not self._task.done():
            with suppress(RuntimeError):  # that event loop is gone, and the stream with it
                self._task.get_loop().call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._left.set()
        self._taken.set()

    async def _run(self) -> None:
        try:
            await serve(self._make, self.options, self.connection, self._receive, self._send, self)
        except Exception:
            path = self.connection.scope.get("path")
            logger.exception("%s %s: the stream failed", self.connection.method, path)

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._refused = message["status"] != self.options.status
            return
        if message.get("body") and not self._refused:
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
