"""Delivery of content that is ready before it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import EndOfStream

from ...errors import Refusal
from ...runtime.context import in_context, own_context

if TYPE_CHECKING:
    from ...runtime.eventloop import Spawned
    from ...runtime.pump import Pump
    from ..content.ready import ReadyContent
    from .window import Pause
    from .writer import ResponseWriter

__all__ = ["Delivery"]

LEAVE_TIMEOUT: Final = 1.0
"""Seconds that a ``send`` may go on after its cancellation before it is left to itself."""


class Delivery:
    """Brings one client the batches that its content has ready.

    A :class:`~sse_asgi.runtime.pump.Deliverable`.

    :param first: bytes that go before the first of all
    :param ended: called once with None when the content has ended, or with what ended it
    :param pause: holds back the questions for more, if there is a window
    """

    __slots__ = (
        "_content",
        "_context",
        "_ended",
        "_first",
        "_left",
        "_over",
        "_pause",
        "_writer",
        "task",
        "wake",
    )

    def __init__(
        self,
        content: ReadyContent,
        writer: ResponseWriter,
        pump: Pump,
        first: bytes,
        ended: Callable[[BaseException | None], object],
        pause: Pause | None = None,
    ) -> None:
        self._content = content
        self._context = own_context()
        self._writer = writer
        self._first = first
        self._ended = ended
        self._pause = pause
        # Made once: a new one for each client and event would keep the garbage collector busy.
        self.wake: Callable[[], object] = partial(pump.add, self)
        """Have the event loop's pump deliver what is ready."""
        self._over = False
        self._left: anyio.Event | None = None
        self.task: Spawned | None = None

    def deliver(self) -> Awaitable[bool]:
        """Send what is ready, with the head if that is still to come; False: the content has ended.

        This happens in the context of the request, although it is the pump's task that does it.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        :raises BaseException: what the content, or ``send``, raised
        """
        return in_context(self._context, self._deliver())

    async def _deliver(self) -> bool:
        if self._writer.is_halted:
            return True
        try:
            batch = self._content.take()
        except EndOfStream:
            return False
        except Refusal:
            if not self._writer.started:
                raise
            return False  # the head is out: the client comes back, and is refused then
        if batch is None or await self._writer.write_batch(batch, self._first):
            pause = self._pause
            self._content.when_ready(self.wake if pause is None else pause.begin(batch, self.wake))
        return True

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
        if self._pause is not None:
            self._pause.end()
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
