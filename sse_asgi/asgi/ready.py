"""Content that is ready before it is asked for, such as a hub's subscription."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import anyio

from .response import ClientGone
from .summary import CloseReason

if TYPE_CHECKING:
    from ..eventloop import Spawned
    from ..wire import EncodedBatch
    from .ending import Ending

__all__ = ["Delivery", "ReadyContent", "is_ready_content"]

LEAVE_TIMEOUT = 1.0
"""Seconds that a ``send`` may go on after its cancellation before it is left to itself."""


class ReadyContent(Protocol):
    """Content that says when it has something, and then gives all of it at once.

    Its streams need no task that waits for it: one for all of the event loop's streams (see
    :class:`~.pump.Pump`) sends what is ready. All three are called in the event loop. It is an
    asynchronous iterator, too, for whoever knows nothing of this.
    """

    def take(self) -> EncodedBatch | None:
        """Return all that is ready now, joined and bounded; None when nothing is.

        :raises anyio.EndOfStream: the content has come to its end
        """

    def when_ready(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once when :meth:`take` may have something, or None: call nothing any more.

        It is called in this event loop, also when there is something already, but never from
        within this method.
        """

    async def aclose(self) -> None:
        """Let go of everything."""


def is_ready_content(content: object) -> TypeGuard[ReadyContent]:
    """Tell whether ``content`` has what :class:`ReadyContent` asks for."""
    return hasattr(content, "when_ready") and hasattr(content, "take")


class Delivery:
    """Brings what is ready to one session's client (a :class:`~.pump.Deliverable`)."""

    __slots__ = ("_content", "_first", "_left", "_over", "_pump", "_response", "_session", "task")

    def __init__(self, session: Ending, content: ReadyContent) -> None:
        self._session = session
        self._response = session.response
        self._first = session.options.first
        self._pump = session.loop.pump
        self._content = content
        self._over = False
        self._left: anyio.Event | None = None
        self.task: Spawned | None = None

    def wake(self) -> None:
        """Have the event loop's pump deliver what is ready."""
        self._pump.add(self)

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
            task, self.task = self.task, None
            if task is not None:
                self._left = anyio.Event()
                task.cancel()
                with anyio.move_on_after(LEAVE_TIMEOUT):
                    await self._left.wait()
        finally:
            await self._content.aclose()
