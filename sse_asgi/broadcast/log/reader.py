"""Reads what lies before this process's memory, for subscribers that were away for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio

from ...runtime.eventloop import EventLoop

if TYPE_CHECKING:
    from ..cursor import Cursor
    from .backend import Backend
    from .entry import Position

__all__ = ["Pager"]

_PAGE: Final = 500


class Pager:
    """Reads pages, one after the other; whoever wants the same page gets the same.

    A thousand clients that come back at once so cost the engine a read for each place, not for each
    client.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._asking: dict[Cursor, None] = {}
        self._wake: Callable[[], object] | None = None

    def ask(self, cursor: Cursor) -> None:
        """Have a page delivered to ``cursor``; from any thread."""
        with self._lock:
            self._asking[cursor] = None
            wake = self._wake
        if wake is not None:
            wake()

    async def run(self) -> None:
        """Deliver pages until cancelled."""
        loop = EventLoop()
        while True:
            asked = anyio.Event()
            with self._lock:
                self._wake = lambda asked=asked: loop.call_soon(asked.set)
                asking, self._asking = self._asking, {}
            if not asking:
                await asked.wait()
            for place, cursors in _by_place(asking).items():
                page = await self._backend.read(place, _PAGE)
                for cursor in cursors:
                    cursor.deliver(place, page)


def _by_place(asking: dict[Cursor, None]) -> dict[Position, list[Cursor]]:
    places: dict[Position, list[Cursor]] = {}
    for cursor in asking:
        if cursor.place is not None:
            places.setdefault(cursor.place, []).append(cursor)
    return places
