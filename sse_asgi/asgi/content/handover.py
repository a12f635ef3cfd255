"""Blocks on their way from a thread to the event loop, bounded by number and by bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import anyio

from ...wire import EncodedBatch, IsolatedBlock
from ...wire.batch import BATCH_BYTES, batch_of

__all__ = ["READY_BYTES", "READY_ITEMS", "Handover"]

READY_ITEMS: Final = 256
"""The thread waits when so many blocks are ready..."""

READY_BYTES: Final = BATCH_BYTES
"""... or so many bytes. One block may be larger."""


class Handover:
    """A queue from one thread to one task. Neither side takes a lock for a block.

    Each counter has one writer: the thread counts the bytes that it has put, and the task those
    that it has taken. A side that must wait first says so and then looks again. The other side
    first acts and then looks whether the first one waits. So one of them always sees the other.

    :param call_soon: has the event loop call a function; raises :exc:`RuntimeError` if it is gone
    """

    __slots__ = (
        "_arrival",
        "_call_soon",
        "_put",
        "_ready",
        "_room",
        "_taken",
        "_waiting",
        "is_closed",
        "is_ended",
    )

    def __init__(self, call_soon: Callable[..., object]) -> None:
        self._call_soon = call_soon
        self._ready: deque[bytes] = deque()
        self._put = 0
        self._taken = 0
        self._room = threading.Event()
        self._arrival: anyio.Event | None = None
        self._waiting = False
        self.is_closed: bool = False
        """Nobody takes the blocks any more."""
        self.is_ended: bool = False
        """The thread puts no more."""

    # -- in the thread -----------------------------------------------------------------------------

    def put(self, block: bytes) -> None:
        """Hand over a block, and wait while too much is ready."""
        self._put = put = self._put + len(block)
        ready = self._ready
        ready.append(block)
        if self._waiting:
            self._notify()
        if len(ready) >= READY_ITEMS or put - self._taken >= READY_BYTES:
            self._wait_for_room()

    def end(self) -> None:
        """Say that no block will follow."""
        self.is_ended = True
        self._notify()

    def _wait_for_room(self) -> None:
        while self._is_full and not self.is_closed:
            self._room.clear()
            if self._is_full and not self.is_closed:
                self._room.wait()

    @property
    def _is_full(self) -> bool:
        return len(self._ready) >= READY_ITEMS or self._put - self._taken >= READY_BYTES

    def _notify(self) -> None:
        self._waiting = False
        arrival = self._arrival
        if arrival is None:
            return
        try:
            self._call_soon(arrival.set)
        except RuntimeError:  # the event loop ended first
            self.is_closed = True

    # -- in the event loop -------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether no block is ready."""
        return not self._ready

    async def wait(self) -> None:
        """Wait until a block is ready or the thread has ended."""
        while not self._ready and not self.is_ended:
            arrival = self._arrival = anyio.Event()
            self._waiting = True
            if not self._ready and not self.is_ended:
                await arrival.wait()
            self._waiting = False

    def take(self) -> EncodedBatch:
        """Return the blocks that are ready, at least one, joined; an isolated one stays alone."""
        ready = self._ready
        blocks: list[bytes] = []
        size = 0
        while ready and size < READY_BYTES:
            block = ready.popleft()
            if type(block) is IsolatedBlock and blocks:
                ready.appendleft(block)
                break
            blocks.append(block)
            size += len(block)
            if type(block) is IsolatedBlock:
                break
        self._taken += size
        self._room.set()
        return (
            batch_of(blocks[0]) if len(blocks) == 1 else EncodedBatch(b"".join(blocks), len(blocks))
        )

    def close(self) -> None:
        """Take no more blocks: the thread no longer waits for room."""
        self.is_closed = True
        self._room.set()

    async def wait_until_ended(self) -> None:
        """Wait until the thread has ended, and drop the blocks that it puts meanwhile."""
        while not self.is_ended:
            self._ready.clear()
            await self.wait()
