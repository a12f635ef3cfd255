"""Delivery of content that is ready before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ..content.ready import ReadyContent
from ..outcome import CloseReason
from .writer import ClientGone

if TYPE_CHECKING:
    from ...runtime.eventloop import Spawned
    from .control import Ending

__all__ = ["Delivery"]

LEAVE_TIMEOUT = 1.0
"""Seconds that a ``send`` may go on after its cancellation before it is left to itself."""


class Delivery:
    """Brings what is ready to one session's client (a :class:`~.pump.Deliverable`)."""

    __slots__ = ("_content", "_first", "_left", "_over", "_response", "_session", "task", "wake")

    def __init__(self, session: Ending, content: ReadyContent) -> None:
        self._session = session
        self._response = session.response
        self._first = session.options.first
        self._content = content
        # Made once: a new one for each client and event would keep the garbage collector busy.
        self.wake: Callable[[], object] = partial(session.loop.pump.add, self)
        """Have the event loop's pump deliver what is ready."""
        self._over = False
        self._left: anyio.Event | None = None
        self.task: Spawned | None = None

    def deliver(self) -> Coroutine[Any, Any, bool]:
        """Send what is ready, with the head if that is still to come; False: the content has ended.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        :raises Exception: what the content raised
        """
        return self._response.write_ready(self._content, self.wake, self._first)

    def ended(self, error: BaseException | None) -> None:
        """Tell the session that the content has ended, or what :meth:`deliver` raised."""
        if self._left is not None:
            self._left.set()
        if self._over:
            return
        if isinstance(error, ClientGone):
            self._session.end(CloseReason.CLIENT_GONE)
        elif error is None or isinstance(error, Exception):
            self._session.finish(error)
        else:
            self._session.end(CloseReason.SERVER_STOPPING)  # the event loop ends

    async def aclose(self) -> None:
        """Break off what is on its way, and close the content.

        :raises Exception: what the content raised
        """
        self._over = True
        self._response.halt()
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
    """Wake nobody any more."""
