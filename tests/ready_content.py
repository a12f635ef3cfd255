"""Content that is ready before it is asked for: what a hub's subscription is to its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio

from sse_asgi.asgi.loop import LoopState
from sse_asgi.wire import EncodedBatch

__all__ = ["Mail"]

Wake = Callable[[], object]


class Mail(AsyncIterator[EncodedBatch]):
    """Items that others put in (a :class:`~sse_asgi.asgi.content.ready.ReadyContent`)."""

    def __init__(self, *items: str, log: list[str] | None = None) -> None:
        self.closed = 0
        self.takes = 0
        self.log = [] if log is None else log
        self._loop = LoopState.current()
        self._items = list(items)
        self._end: Exception | None = None
        self._wake: Wake | None = None

    def put(self, *items: str) -> None:
        """Add items, to be delivered at once."""
        self._items += items
        self._notify()

    def end(self, error: Exception | None = None) -> None:
        """End, or fail, after all that was put in."""
        self._end = error or anyio.EndOfStream()
        self._notify()

    @property
    def is_watched(self) -> bool:
        """Whether somebody waits for the next item."""
        return self._wake is not None

    def take(self) -> EncodedBatch | None:
        self._note_if_closed("taken")
        self.takes += 1
        if self._items:
            items, self._items = self._items, []
            body = "".join(f"data: {item}\n\n" for item in items)
            return EncodedBatch(body.encode(), len(items))
        if self._end is not None:
            raise self._end
        return None

    def when_ready(self, wake: Wake | None) -> None:
        if wake is not None:
            self._note_if_closed("watched")
        self._wake = wake
        if wake is not None and (self._items or self._end):
            self._loop.call_soon(self._notify)

    def _notify(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    async def aclose(self) -> None:
        self.closed += 1
        self.log.append("closed" if self._wake is None else "closed while it was watched")

    def _note_if_closed(self, what: str) -> None:
        if self.closed:
            self.log.append(f"{what} after its end")

    async def __anext__(self) -> EncodedBatch:
        raise AssertionError("nobody iterates over what is ready")
