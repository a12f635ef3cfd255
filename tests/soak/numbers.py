"""The steady publisher of both applications, and content that is not a hub's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import anyio

__all__ = ["COUNTED", "KEPT", "Numbers", "counted", "counted_in_thread", "flood", "number_of"]

PAUSE: Final = float(os.environ.get("SOAK_PAUSE", "0.5"))
"""Seconds between two numbers."""

KEPT: Final = 64
"""Numbers that a log keeps: of half a minute, and no client stays away for longer."""

COUNTED: Final = 20
"""Numbers of a stream that ends by itself."""

FLOOD: Final = "x" * 65_536
WEIGHT: Final = " x" * 100


def text_of(number: int) -> str:
    """Return the data of the event for a number."""
    return f"{number}{WEIGHT}"


def number_of(data: str) -> int:
    """Return the number of an event."""
    return int(data.partition(" ")[0])


class Numbers:
    """Publishes 0, 1, 2, ... until it is told to stop."""

    def __init__(self, publish: Callable[[int, str], Awaitable[object]]) -> None:
        self._publish = publish
        self._stop = anyio.Event()
        self._stopped = anyio.Event()
        self.published = 0
        """How many numbers were published, and the number that comes next."""

    async def run(self) -> None:
        """Publish until told to stop."""
        while not self._stop.is_set():
            await self._publish(self.published, text_of(self.published))
            self.published += 1
            with anyio.move_on_after(PAUSE):
                await self._stop.wait()
        self._stopped.set()

    async def stop(self) -> int:
        """Publish no more; return how many numbers were published."""
        self._stop.set()
        await self._stopped.wait()
        return self.published


async def counted(first: int) -> AsyncIterator[dict[str, str]]:
    """Yield the numbers from ``first`` on, slowly, and end."""
    for number in range(first, COUNTED):
        yield {"data": text_of(number), "id": str(number)}
        await anyio.sleep(PAUSE / 2)


def counted_in_thread(first: int) -> Iterator[dict[str, str]]:
    """Yield the same numbers at once, in a thread."""
    for number in range(first, COUNTED):
        yield {"data": text_of(number), "id": str(number)}


async def flood(to: int = 2**20) -> AsyncIterator[str]:
    """Yield large events for as long as the client takes them."""
    for _ in range(to):
        yield FLOOD
