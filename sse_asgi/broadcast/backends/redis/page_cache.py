"""Entries that are older than this process's memory, in pages that all subscribers share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from ...log.backend import Page
from ...log.entry import Entry

__all__ = ["PAGE_SIZE", "Fetch", "Pages"]

PAGE_SIZE: Final = 256
"""Entries to a page: page ``n`` ends with the sequence ``(n + 1) * PAGE_SIZE``."""

Fetch = Callable[[int, int], Awaitable[Page]]
"""Fetches the entries from one sequence to another, and the floor if there are none."""


class _Flight:
    """A page that is being fetched, and whoever waits for it."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.page: Page | None = None


class Pages:
    """Fetches each page once for everybody who wants it at the same time, and keeps some.

    :param max_bytes: bytes of encoded events to keep
    """

    def __init__(self, fetch: Fetch, max_bytes: int) -> None:
        self._fetch = fetch
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, int], Page] = OrderedDict()
        self._flights: dict[tuple[str, int], _Flight] = {}

    async def after(self, epoch: str, sequence: int, limit: int) -> Page:
        """Return at most ``limit`` entries after ``sequence``, none of them after a hole."""
        page = await self._page(epoch, sequence // PAGE_SIZE)
        later = [entry for entry in page.entries if entry.sequence > sequence]
        if not later:
            return Page((), max(page.floor, sequence))
        first = later[0].sequence
        whole = [entry for at, entry in enumerate(later) if entry.sequence == first + at]
        return Page(whole[:limit], first - 1)

    async def _page(self, epoch: str, number: int) -> Page:
        key = epoch, number
        while True:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key)
            await flight.landed.wait()
            if flight.page is not None:
                return flight.page
            # Whoever fetched it was cancelled: somebody else has to.

    async def _fly(self, key: tuple[str, int]) -> Page:
        epoch, number = key
        flight = self._flights[key] = _Flight()
        try:
            first = number * PAGE_SIZE + 1
            entries, floor = await self._fetch(first, first + PAGE_SIZE - 1)
            mine = [entry for entry in entries if entry.position.epoch == epoch]
            flight.page = Page(mine, floor)
            self._keep(key, mine, flight.page)
            return flight.page
        finally:
            del self._flights[key]
            flight.landed.set()

    def _keep(self, key: tuple[str, int], entries: list[Entry], page: Page) -> None:
        """Keep a page that is complete: what is published never changes."""
        size = _size(page)
        if not entries or entries[-1].sequence % PAGE_SIZE or size > self._max_bytes:
            return
        self._kept[key] = page
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(page: Page) -> int:
    return sum(len(entry.block) for entry in page.entries)
