"""The gate that lets clients in, and shows all but the steady ones out before each look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["Gate"]


class Gate:
    """A gate: when it closes, each task that is inside is cancelled."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._inside: set[anyio.CancelScope] = set()

    def open(self) -> None:
        """Let clients in from now on."""
        self._opened.set()

    def close(self) -> None:
        """Let nobody in from now on, and cancel those that are inside."""
        self._opened = anyio.Event()
        for scope in self._inside:
            scope.cancel()

    async def passed(self, visit: Callable[[], Awaitable[object]]) -> None:
        """Wait until the gate is open, and make a visit, or as much of it as there is time for."""
        await self._opened.wait()
        with anyio.CancelScope() as scope:
            self._inside.add(scope)
            try:
                await visit()
            finally:
                self._inside.discard(scope)
