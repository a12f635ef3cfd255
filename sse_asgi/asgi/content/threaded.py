"""Synchronous iterables: pulled in a thread, handed over in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING

import anyio

from ...wire import EncodedBatch

if TYPE_CHECKING:
    from ..loop import LoopState

from ...wire.batch import encode_batch

__all__ = [
    "ThreadedIterator",
]

READY_ITEMS = 256

BLOCKED = 0.1
"""Seconds after which an iterable is closed although its thread still waits for an item."""


class ThreadedIterator(AsyncIterator[EncodedBatch]):
    """Pulls a synchronous iterable in a thread of its own, which stays until the iterable ends.

    An item is handed over as soon as it is there, together with all others that are; the thread
    waits when too many are. A thread hop for each item would cost thirty times as much.
    """

    closes_content = True

    def __init__(
        self, items: Iterable[object], encode: Callable[[object], bytes], loop: LoopState
    ) -> None:
        self._items = items
        self._encode = encode
        self._loop = loop
        self._ready: deque[object] = deque()
        self._batches: Iterator[EncodedBatch] = iter(())
        self._room = threading.Event()
        self._arrival = anyio.Event()
        self._waiting = False
        self._thread: threading.Thread | None = None
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._owner: object = None
        """The iterable, if it has a connection, say, that closing its iterator leaves open."""

    async def __anext__(self) -> EncodedBatch:
        if self._thread is None:
            self._start()
        while True:
            for batch in self._batches:
                return batch
            if not self._ready:
                await self._wait()
            if self._ready:
                self._batches = encode_batch(self._drain(), self._encode)
            elif self._error is None:
                raise StopAsyncIteration
            else:
                error, self._error = self._error, None
                raise error

    def _start(self) -> None:
        run = copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._pull,), name="sse_asgi content", daemon=True
        )
        self._thread.start()

    async def _wait(self) -> None:
        """Wait until something is ready or the thread has ended."""
        while not self._ready and not self._ended:
            self._arrival = anyio.Event()
            self._waiting = True
            # The thread looks at _waiting after it has appended, so one of the two sees the other.
            if not self._ready and not self._ended:
                await self._arrival.wait()
            self._waiting = False

    def _drain(self) -> Iterator[object]:
        while self._ready:
            yield self._ready.popleft()
            if not self._room.is_set():
                self._room.set()

    async def aclose(self) -> None:
        """Close the iterable, in its thread, and wait for it; the caller bounds the time.

        A thread cannot be interrupted: an iterable that blocks is closed when it returns.

        :raises BaseException: what the iterable raised meanwhile
        """
        self._closed = True
        self._room.set()
        if self._thread is None:
            _close(self._items)
        else:
            with anyio.move_on_after(BLOCKED if self._owner is not None else None):
                await self._wait_for_end()
            if not self._ended:
                # The thread waits for the connection, or whatever the object owns: this ends it.
                owner, self._owner = self._owner, None
                await anyio.to_thread.run_sync(_close, owner, abandon_on_cancel=True)
                await self._wait_for_end()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    async def _wait_for_end(self) -> None:
        while not self._ended:
            self._ready.clear()
            await self._wait()

    # -- in the thread -----------------------------------------------------------------------------

    def _pull(self) -> None:
        try:
            items = iter(self._items)
            if items is not self._items and hasattr(self._items, "close"):
                self._owner = self._items
            try:
                for item in items:
                    if self._closed:
                        break
                    self._hand_over(item)
            finally:
                _close(items)
                _close(self._owner)
        except BaseException as exc:
            self._error = exc
        finally:
            self._ended = True
            self._notify()

    def _hand_over(self, item: object) -> None:
        self._ready.append(item)
        if self._waiting:
            self._notify()
        if len(self._ready) >= READY_ITEMS:
            self._room.clear()
            if len(self._ready) >= READY_ITEMS and not self._closed:
                self._room.wait()

    def _notify(self) -> None:
        self._waiting = False
        try:
            self._loop.call_soon(self._arrival.set)
        except RuntimeError:  # the event loop ended first
            self._closed = True


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
