"""The log as a subscriber reads it: memory, older entries, and a count of gaps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import anyio

from ...runtime.eventloop import EventLoop
from .backend import Backend, Page
from .entry import Position
from .history import History

__all__ = ["Backfill", "LogReader", "PageWaiter"]

_PAGE: Final = 500
_READS: Final = 8
"""Pages that are read at the same time."""

_PAUSE: Final = 1.0
"""Seconds before a page whose reading failed is answered with a gap."""

logger: Final = logging.getLogger("sse_asgi")


class PageWaiter(Protocol):
    """A subscriber that waits for entries older than memory."""

    @property
    def place(self) -> Position | None:
        """The position after which it goes on."""

    def deliver(self, place: Position, page: Page) -> None:
        """Take the page that was read after ``place``; in any thread."""


class LogReader:
    """Everything that a subscription needs of its hub.

    :param encode: encodes the hub's own events
    """

    def __init__(self, backend: Backend, encode: Callable[[object], bytes]) -> None:
        self.history: History = backend.history
        self.backfill: Backfill = Backfill(backend)
        self.encode = encode
        self.published: int = 0
        """How many events this process has published."""
        self.gaps: int = 0
        """How often a subscriber was told of a gap."""
        self.lost: int = 0
        """How many events these gaps hid, as far as that was known."""

    def count_publication(self, position: Position) -> str:
        """Count an event that the log has from this process, and return its ID."""
        # No lock: on a Python without the GIL, two threads may count one event.
        self.published += 1
        return str(position)

    def count_gap(self, lost: int | None) -> None:
        """Count a gap that a subscriber is told of; under the history's lock."""
        self.gaps += 1
        self.lost += lost or 0


class Backfill:
    """Reads pages of older entries. Subscribers that want the same page share one read.

    A thousand clients that come back at once so cost the server a read for each place, not for each
    client. A page that is slow to come does not hold up the others.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._asking: dict[Position, list[PageWaiter]] = {}
        self._wake: Callable[[], object] | None = None

    def ask(self, waiter: PageWaiter) -> None:
        """Have a page delivered to ``waiter``; from any thread."""
        place = waiter.place
        if place is None:
            return
        with self._lock:
            self._asking.setdefault(place, []).append(waiter)
            wake = self._wake
        if wake is not None:
            with suppress(RuntimeError):  # that event loop is gone: the next one will read
                wake()

    async def run(self) -> None:
        """Deliver pages until cancelled."""
        loop, limit = EventLoop(), anyio.CapacityLimiter(_READS)
        async with anyio.create_task_group() as tasks:
            while True:
                asked = anyio.Event()
                with self._lock:
                    self._wake = lambda asked=asked: loop.call_soon(asked.set)
                    asking, self._asking = self._asking, {}
                if not asking:
                    await asked.wait()
                for place, waiters in asking.items():
                    tasks.start_soon(self._read, place, waiters, limit)

    async def _read(
        self, place: Position, waiters: list[PageWaiter], limit: anyio.CapacityLimiter
    ) -> None:
        async with limit:
            try:
                page = await self._backend.read(place, _PAGE)
            except Exception:
                # The subscribers go on after a gap: silence would be worse.
                logger.exception("the entries after %s could not be read", place)
                await anyio.sleep(_PAUSE)
                page = Page((), self._backend.history.floor)
        for waiter in waiters:
            waiter.deliver(place, page)
