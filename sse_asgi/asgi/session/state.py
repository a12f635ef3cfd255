"""How far a response has come.

A writer is in one of seven states::

    HEAD -----> OPEN <---> TURN         TURN: a message that is not the content's is on its way
     |           |          |
     +-----------+----------+---> HALTED <--> LAST ---> FINAL ---> CLOSED
     |                               |                               ^
     +-------------------------------+-------------------------------+   the client is gone

``busy`` says besides that a message is with the server's ``send``. Nobody knows whether a message
that is cut short went out. Another one may follow it, unless it was the head or the final body.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ...wire import EncodedBatch

__all__ = ["ClientGone", "Held", "WriterState"]


class ClientGone(Exception):
    """The server's ``send`` said that the client has left (ASGI HTTP 2.4)."""


class Held(Protocol):
    """Events that wait for the end of a delivery window (see :mod:`.window`)."""

    due_at: float
    """When they must go out; infinite: none wait."""

    async def flush(self) -> bool:
        """Send those that wait; False: the content may write no more."""

    def take(self) -> EncodedBatch | None:
        """Return the next message of those that wait; None: none are left."""


class WriterState(IntEnum):
    """How far a response has come; see the picture above."""

    HEAD = 0
    """Nothing is out: the head goes with the first message."""
    TURN = 1
    """A message that is not the content's is on its way: the content has to wait for it."""
    OPEN = 2
    """The content may write, straight to ``send``."""
    HALTED = 3
    """The content may write no more; the last block and the final body may follow."""
    LAST = 4
    """The last block is on its way; if it is cut short, the final body alone may follow."""
    FINAL = 5
    """The final body is on its way, or follows the last block for the last time."""
    CLOSED = 6
    """Nothing may follow."""
