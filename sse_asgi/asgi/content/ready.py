"""Content that knows when items are ready, such as a hub's subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeGuard

if TYPE_CHECKING:
    from ...wire import EncodedBatch

__all__ = ["ReadyContent", "claim_content", "is_ready_content"]


class ReadyContent(Protocol):
    """Content that says when items are ready, and then gives all of them at once.

    Streams of such content need no waiting task each: one :class:`~.pump.Pump` per event loop
    sends the ready items. All methods are called in the event loop. It must also be an asynchronous
    iterator, for callers that do not use the pump.

    Content that is for one stream may have a method ``claim()``, which is called before all others
    and raises :exc:`RuntimeError` from its second call on.
    """

    def take(self) -> EncodedBatch | None:
        """Return the items that are ready now, joined and bounded; None if there are none.

        :raises anyio.EndOfStream: the content has come to its end
        :raises Refusal: instead of the first items; once the head is out, it is just the end
        """

    def when_ready(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once when :meth:`take` may have items; None: call nothing any more.

        The call is made in this event loop, even if items are ready already, but never within
        this method.
        """

    async def aclose(self) -> None:
        """Release everything that the content holds."""


def is_ready_content(content: object) -> TypeGuard[ReadyContent]:
    """Tell whether ``content`` has the methods of :class:`ReadyContent`."""
    return hasattr(content, "when_ready") and hasattr(content, "take")


def claim_content(content: ReadyContent) -> None:
    """Claim the content for one stream.

    :raises RuntimeError: another stream has claimed it
    """
    claim = getattr(content, "claim", None)
    if claim is not None:
        claim()
