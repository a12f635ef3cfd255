"""One published event, encoded once for every subscriber, and its position in the log."""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple

from ...wire import EventDecoder, IsolatedBlock, MessageEvent

__all__ = ["Entry", "Position", "new_epoch"]

# A client may send any text as its ID. Only this form is a position, so at most 33 characters.
_FORM: Final = re.compile(r"([0-9a-z]{1,16})-(0|[1-9][0-9]{0,15})", re.ASCII)


class Position(NamedTuple):
    """A place in one life of a log.

    :param epoch: names the life of the log. A log that was lost and begun anew has another epoch,
        so a position of the old log is recognised, and never answered with the wrong events
    :param sequence: rises from one entry to the next; 0 is before the first
    """

    epoch: str
    sequence: int

    def __str__(self) -> str:
        """Return the position as an event ID."""
        return f"{self.epoch}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position whose ID ``text`` is, or None if it is the ID of no position."""
        match = _FORM.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]))


def new_epoch() -> str:
    """Return a name for the life of a log that begins now."""
    return secrets.token_hex(4)


class Entry:
    """An event in a log, with the topic it was published under.

    :param position: the place of the entry in the log
    :param topic: the topic of the event
    :param block: the encoded event without an ID: its position is its ID. An
        :class:`~sse_asgi.wire.IsolatedBlock` makes an isolated entry
    :param first: whether the entry begins its topic
    :param last: whether the entry ends its topic
    """

    __slots__ = (
        "_event",
        "arrived",
        "block",
        "is_first",
        "is_last",
        "position",
        "sequence",
        "topic",
    )

    def __init__(
        self,
        position: Position,
        topic: str,
        block: bytes,
        *,
        first: bool = False,
        last: bool = False,
    ) -> None:
        self.position: Position = position
        """Where the entry stands in the log."""
        self.sequence: int = position.sequence
        self.topic: str = topic
        self.is_first: bool = first
        """Whether the topic begins with the entry, so that no other may begin it."""
        self.is_last: bool = last
        """Whether the topic ends with the entry, so that none may follow."""
        # An isolated block stays one.
        self.block: bytes = type(block)(b"id: %b\n%b" % (str(position).encode(), block))
        """The complete block, as it is sent."""
        self.arrived: float = 0.0
        """When the entry came into this process's memory, in seconds of the history's clock."""
        self._event: MessageEvent | None = None

    @property
    def is_isolated(self) -> bool:
        """Whether the entry is compressed by itself (see :class:`~sse_asgi.ServerSentEvent`)."""
        return type(self.block) is IsolatedBlock

    @property
    def event(self) -> MessageEvent:
        """The event as its receivers read it: type, data, ID. Decoded once for all who ask."""
        if self._event is None:
            decoder = EventDecoder(max_event_size=len(self.block))
            (self._event,) = decoder.feed(self.block)
        return self._event

    def __repr__(self) -> str:
        return f"<Entry {self.position} {self.topic!r}, {len(self.block)} bytes>"
