"""Delivery of content that is ready before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from ...runtime.eventloop import Spawned
    from ...runtime.pump import Pump
    from ..content.ready import ReadyContent
    from .writer import ResponseWriter

__all__ = ["Delivery"]

LEAVE_TIMEOUT: Final = 1.0
"""Seconds that a ``send`` may go on after its cancellation before it is left to itself."""


class Delivery:
    """Brings one client the batches that its content has ready.

    A :class:`~sse_asgi.runtime.pump.Deliverable`.

    :param first: bytes that go before the first of all
    :param ended: called once with None when the content has ended, or with what ended it
    """

    __slots__ = ("_content", "_ended", "_first", "_left", "_over", "_writer", "task", "wake")

    def __init__(
        self,
        content: ReadyContent,
        writer: ResponseWriter,
        pump: Pump,
        first: bytes,
        ended: Callable[[BaseException | None], object],
    ) -> None:
        self._content = content
        self._writer = writer
        self._first = first
        self._ended = ended
        # Made once: a new one for each client and event would keep the garbage collector busy.
        self.wake: Callable[[], object] = partial(pump.add, self)
        """Have the event loop's pump deliver what is ready."""
        self._over = False
        self._left: anyio.Event | None = None
        self.task: Spawned | None = None

    def deliver(self) -> Coroutine[Any, Any, bool]:
        """Send what is ready, with the head if that is still to come; False: the content has ended.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        :raises BaseException: what the content, or ``send``, raised
        """
        return self._writer.write_ready(self._content, self.wake, self._first)

    def ended(self, error: BaseException | None) -> None:
        """Pass on that the content has ended, or what :meth:`deliver` raised."""
        if self._left is not None:
            self._left.set()
        if not self._over:
            self._ended(error)

    async def aclose(self) -> None:
        """Break off what is on its way, and close the content.

        :raises Exception: what the content raised
        """
        self._over = True
        self._writer.halt()
        try:
            self._content.when_ready(None)
            self.wake = _nothing  # it holds this object, which holds it
            task, self.task = self.task, None
            if task is not None:
                self._left = anyio.Event()
                task.cancel()
                with anyio.move_on_after(LEAVE_TIMEOUT):
                    await self._left.wait()
        finally:
            await self._content.aclose()


def _nothing() -> None:
    """Wake nothing any more."""
