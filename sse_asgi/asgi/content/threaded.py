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
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError as CallCancelledError
from typing import Final

from ...errors import Refusal
from ...runtime.workers import NoWorker, Worker, Workers
from ...wire import EncodedBatch
from ...wire.batch import encode_batch
from ..connection import Connection, request_name
from .handover import Handover

__all__ = ["ThreadedIterator"]

logger = logging.getLogger("sse_asgi")

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
        self._batches: Iterator[EncodedBatch] = iter(())
        self._worker: Worker | None = None
        self._error: BaseException | None = None
        self._is_abandoned = False

    async def __anext__(self) -> EncodedBatch:
        if self._worker is None:
            self._worker = self._start()
        while True:
            for batch in self._batches:
                return batch
            handover = self._handover
            if handover.is_empty:
                await handover.wait()
            if not handover.is_empty:
                self._batches = encode_batch(handover.left(), handover.take)
            elif self._error is None:
                raise StopAsyncIteration
            else:
                error, self._error = self._error, None
                raise error

    def _start(self) -> Worker:
        """Start the thread.

        :raises Refusal: there is none, so the client must come back later
        """
        try:
            return self._workers.start(self._run)
        except NoWorker as exc:
            name = request_name(self._connection)
            logger.warning("%s: no thread for synchronous content: %s", name, exc)
            from random import randint  # seldom needed, and slow to import

            headers = {"retry-after": str(randint(*_RETRY_AFTER))}
            raise Refusal(503, "No thread is free for this stream", headers) from exc

    async def aclose(self) -> None:
        """Close the iterable, in its thread, and wait for it; the caller bounds the time.

        :raises BaseException: what the iterable raised meanwhile
        """
        self._handover.close()
        if self._worker is None:
            items, self._items = self._items, ()
            _close(items)
            return
        self._worker.cancel()
        try:
            await self._handover.wait_until_ended()
        except BaseException:
            self._is_abandoned = True
            self._worker.cancel()  # the calls of its clean-up
            raise
        error, self._error = self._error, None
        if error is not None and not isinstance(error, CancelledError | CallCancelledError):
            raise error

    # -- in the thread -----------------------------------------------------------------------------

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
        try:
            for item in items:
                if self._handover.is_closed:
                    break
                self._handover.put(self._encode(item))
        finally:
            _close(items)
            if items is not self._items:
                _close(self._items)


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
