"""Content that is ready before it is asked for, such as a hub's subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard

import anyio

from ..wire import EncodedBatch
from .response import ClientGone
from .summary import CloseReason

if TYPE_CHECKING:
    from .session import Session

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

    __slots__ = ("_content", "_left", "_over", "_session", "scope")

    def __init__(self, session: Session, content: ReadyContent) -> None:
        self._session = session
        self._content = content
        self._over = False
        self._left: anyio.Event | None = None
        self.scope: anyio.CancelScope | None = None

    async def begin(self) -> bool:
        """Send the head with what is ready already; return False at the end of the content.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        :raises Exception: what the content raised
        """
        try:
            batch = self._content.take()
        except anyio.EndOfStream:
            return False
        if batch is not None:
            await self._session.response.write_batch(batch, self._session.options.first)
        self._content.when_ready(self.wake)
        return True

    def wake(self) -> None:
        """Have the event loop's pump deliver what is ready."""
        if not self._over:
            self._session.loop.pump.add(self)

    async def deliver(self) -> None:
        """Send what is ready; tell the session of the end, whatever it is."""
        if self._over:
            return
        session = self._session
        try:
            batch = self._content.take()
            if batch is not None and not await session.response.write_batch(
                batch, session.options.first
            ):
                return  # the session is about to end
            if not self._over:
                self._content.when_ready(self.wake)
        except anyio.EndOfStream:
            self._finish()
        except ClientGone:
            session.end(CloseReason.CLIENT_GONE)
        except Exception as exc:
            self._finish(exc)
        except BaseException:
            # A cancellation: the session's own, when it is over, or the event loop's.
            if not self._over:
                session.end(CloseReason.SERVER_STOPPING)
            raise
        finally:
            if self._left is not None:
                self._left.set()

    def _finish(self, error: Exception | None = None) -> None:
        if not self._over:
            self._session.finish(error)

    async def aclose(self) -> None:
        """Break off what is on its way, and close the content.

        :raises Exception: what the content raised
        """
        self._over = True
        try:
            self._content.when_ready(None)
            scope, self.scope = self.scope, None
            if scope is not None:
                self._left = anyio.Event()
                scope.cancel()
                with anyio.move_on_after(LEAVE_TIMEOUT):
                    await self._left.wait()
        finally:
            await self._content.aclose()
