"""The failure of a hub's backend, and the blocks that it ends."""

from __future__ import annotations

from contextlib import suppress

from ..runtime.change import Change
from ..runtime.eventloop import EventLoop

__all__ = ["BackendFailure"]


class BackendFailure:
    """Ends the blocks of one event loop when the backend fails for good."""

    def __init__(self) -> None:
        self._loop = EventLoop()
        self._error: Exception | None = None
        self._change = Change()

    def tell(self, error: Exception) -> None:
        """Have the blocks ended; from any event loop."""
        with suppress(RuntimeError):  # that event loop is gone
            self._loop.call_soon(self._tell, error)

    def _tell(self, error: Exception) -> None:
        self._error = error
        self._change.notify()

    async def raise_first(self) -> None:
        """Wait for the next failure, and raise it."""
        self._error = None
        while self._error is None:
            await self._change.wait()
        raise self._error
