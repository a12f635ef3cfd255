"""Entries that are older than this process's memory, in pages that all subscribers share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import anyio

from ...log.backend import Page

__all__ = ["Fetch", "PageCache"]

Fetch: TypeAlias = Callable[[int, int], Awaitable[Page]]
"""Fetches entries from one sequence to another: the first ones at least. Without any, the page's
floor says after which sequence there are some.
"""

_FLIGHTS: Final = 1
"""Pages that are fetched at once: a publication on the same connection waits behind no more."""


class _Key(NamedTuple):
    life: str
    first: int
    last: int


class _Flight:
    """A page that is being fetched. Several tasks may wait for it."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.page: Page | None = None


class PageCache:
    """Fetches each page once for all tasks that want it at the same time, and keeps some.

    Pages begin at multiples of their size, which is chosen so that a page stays short.

    :param size: returns the entries of a page now
    :param max_bytes: bytes of encoded events to keep
    """

    def __init__(self, fetch: Fetch, size: Callable[[], int], max_bytes: int) -> None:
        self._fetch = fetch
        self._size = size
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, Page] = OrderedDict()
        self.reset()

    def reset(self) -> None:
        """Forget the pages under way: another event loop begins, in which nobody waits for them."""
        self._flights: dict[_Key, _Flight] = {}
        self._limit = anyio.CapacityLimiter(_FLIGHTS)

    async def after(self, life: str, sequence: int, limit: int) -> Page:
        """Return at most ``limit`` entries after ``sequence``, none of them after a hole."""
        size = self._size()
        first = sequence // size * size + 1
        key = _Key(life, first, first + size - 1)
        page = _after(await self._page(key), sequence, limit)
        if not page.entries and sequence >= first:
            # The page may be cut before the place, since its entries are larger than expected.
            page = _after(await self._page(key._replace(first=sequence + 1)), sequence, limit)
        return page

    async def _page(self, key: _Key) -> Page:
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
            # The task that fetched it was cancelled, so another one must.

    async def _fly(self, key: _Key) -> Page:
        flight = self._flights[key] = _Flight()
        try:
            async with self._limit:
                flight.page = page = await self._fetch(key.first, key.last)
            self._keep(key, page)
            return page
        finally:
            self._flights.pop(key, None)
            flight.landed.set()

    def _keep(self, key: _Key, page: Page) -> None:
        """Keep a page that is complete: a published event never changes."""
        size = _bytes(page)
        is_complete = page.entries and page.entries[-1].sequence == key.last
        if not is_complete or size > self._max_bytes:
            return
        self._kept[key] = page
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= _bytes(self._kept.popitem(last=False)[1])


def _after(page: Page, sequence: int, limit: int) -> Page:
    later = [entry for entry in page.entries if entry.sequence > sequence]
    if not later:
        return Page((), max(page.floor, sequence))
    first = later[0].sequence
    whole = [entry for at, entry in enumerate(later) if entry.sequence == first + at]
    return Page(whole[:limit], first - 1)


def _bytes(page: Page) -> int:
    return sum(len(entry.block) for entry in page.entries)
