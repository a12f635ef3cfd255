"""A queue per client: what one writes by hand where a framework offers no broadcast."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

__all__ = ["Queues"]

T = TypeVar("T")

SIZE = 100
"""Items that wait for one client at most."""


class Queues(Generic[T]):
    """The queues of all clients."""

    def __init__(self) -> None:
        self._queues: set[Queue[T]] = set()

    def put(self, item: T, count: int) -> None:
        """Queue an item for everybody, so many times.

        :raises asyncio.QueueFull: a client does not keep up; none does here
        """
        for _ in range(count):
            for queue in self._queues:
                queue.put_nowait(item)

    async def follow(self) -> AsyncIterator[T]:
        """Yield what is put from now on."""
        queue: Queue[T] = Queue(SIZE)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)
