"""Synchronous content: iterated over in a thread of its stream, handed over in batches.

Each stream of such content takes one thread until the content ends. The content may call
``anyio.from_thread.run`` there, and everything that a library ties to a thread stays with the
stream. An event loop has at most :data:`~sse_asgi.runtime.workers.MAX_WORKERS` such threads. A
client for which there is none gets a 503 with ``Retry-After``.

A thread cannot be interrupted. When the client leaves, the calls end that the thread makes by
``from_thread.run``, and ``from_thread.check_cancelled`` raises; other content ends with its next
item. Content that waits for a queue should do so with a timeout, and ask after each::

    while True:
        try:
            yield queue.get(timeout=1)
        except queue.Empty:
            anyio.from_thread.check_cancelled()

A thread that has not ended after ``cleanup_timeout`` is left alone, which the log says once, and
the item that it gets last is lost.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import CancelledError as CallCancelledError
from contextlib import suppress
from typing import Final

import anyio

from ...errors import Refusal
from ...runtime.workers import NoWorker, Worker, Workers
from ...wire import EncodedBatch
from ..connection import Connection, request_name
from .handover import Handover

__all__ = ["ThreadedIterator"]

logger: Final = logging.getLogger("sse_asgi")

_BLOCKED: Final = 0.1
"""Seconds after which an iterable is closed although its thread still waits for an item."""

_RETRY_AFTER: Final = (1, 5)
"""Seconds after which a client may try again, drawn so that clients do not return together."""


class ThreadedIterator(AsyncIterator[EncodedBatch]):
    """Iterates over a synchronous iterable in a worker thread, which also encodes the items.

    An item is handed over at once, together with all others that are ready. The thread waits when
    too many are. A thread hop for each item would cost thirty times as much.

    :param connection: the request, whose context the thread has
    :param at_end: called in the thread when the iterable has ended and is closed. Adapters release
        there what their framework has opened for the thread, such as Django's connections
    """

    closes_content = True

    def __init__(
        self,
        items: Iterable[object],
        encode: Callable[[object], bytes],
        workers: Workers,
        connection: Connection,
        at_end: Callable[[], object] | None = None,
    ) -> None:
        self._items = items
        self._encode = encode
        self._workers = workers
        self._connection = connection
        self._at_end = at_end
        self._handover = Handover(workers.event_loop.call_soon)
        self._worker: Worker | None = None
        self._error: BaseException | None = None
        self._owner: object = None
        """The iterable, if it has a connection, say, that closing its iterator leaves open."""
        self._is_abandoned = False

    async def __anext__(self) -> EncodedBatch:
        if self._worker is None:
            self.start()
        handover = self._handover
        if handover.is_empty:
            await handover.wait()
        if not handover.is_empty:
            return handover.take()
        error, self._error = self._error, None
        raise StopAsyncIteration if error is None else error

    def start(self) -> None:
        """Start the thread, if that has not been tried.

        :raises Refusal: there is none, so the client must come back later
        """
        if self._error is not None:
            raise self._error
        try:
            self._worker = self._workers.start(self._run)
        except NoWorker as exc:
            name = request_name(self._connection)
            logger.warning("%s: no thread for synchronous content: %s", name, exc)
            from random import randint  # seldom needed, and slow to import

            headers = {"retry-after": str(randint(*_RETRY_AFTER))}
            self._error = Refusal(503, "No thread is free for this stream", headers)
            raise self._error from exc

    async def aclose(self) -> None:
        """Close the iterable, in its thread, and wait for it; the caller bounds the time.

        :raises BaseException: the exception that the iterable raised meanwhile
        """
        self._handover.close()
        if self._worker is None:
            items, self._items = self._items, ()
            _close(items)
            return
        self._worker.cancel()
        try:
            await self._wait_for_thread()
        except BaseException:
            self._is_abandoned = True
            self._worker.cancel()  # the calls of its clean-up
            raise
        error, self._error = self._error, None
        if error is not None and not isinstance(error, CancelledError | CallCancelledError):
            raise error

    async def _wait_for_thread(self) -> None:
        handover = self._handover
        with anyio.move_on_after(_BLOCKED if self._owner is not None else None):
            await handover.wait_until_ended()
        if not handover.is_ended:
            # The thread waits for the connection, or whatever the object owns: this ends it.
            with suppress(NoWorker):
                self._workers.start(self._close_owner)
            await handover.wait_until_ended()

    # -- in the thread -----------------------------------------------------------------------------

    def _close_owner(self) -> None:
        owner, self._owner = self._owner, None
        try:
            _close(owner)
        except Exception:
            name = request_name(self._connection)
            logger.exception("%s: content that its thread waits for failed to close", name)

    def _run(self) -> None:
        try:
            try:
                self._iterate()
            finally:
                if self._at_end is not None:
                    self._at_end()
        except BaseException as exc:
            self._error = exc
            if self._is_abandoned and isinstance(exc, Exception):
                name = request_name(self._connection)
                logger.exception("%s: the content failed after the end of its stream", name)
        finally:
            self._handover.end()

    def _iterate(self) -> None:
        items = iter(self._items)
        if items is not self._items and hasattr(self._items, "close"):
            self._owner = self._items
        try:
            handover, encode = self._handover, self._encode
            for item in items:
                if handover.is_closed:
                    break
                handover.put(encode(item))
        finally:
            _close(items)
            owner, self._owner = self._owner, None
            _close(owner)


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
