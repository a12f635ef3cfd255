"""One published event, encoded once for everybody who gets it."""

from __future__ import annotations

from ..wire import EventDecoder, MessageEvent
from .position import Position

__all__ = ["Entry"]


class Entry:
    """An event in a log, with the topic it was published under.

    :param block: the encoded event without an ID: its position is its ID
    """

    __slots__ = ("_event", "arrived", "block", "position", "sequence", "topic")

    def __init__(self, position: Position, topic: str, block: bytes) -> None:
        self.position = position
        """Where the entry stands in the log."""
        self.sequence = position.sequence
        self.topic = topic
        # An isolated block stays one.
        self.block = type(block)(b"id: %b\n%b" % (str(position).encode(), block))
        """The complete block, as it is sent."""
        self.arrived = 0.0
        """When the entry came into this process's memory, in seconds of the history's clock."""
        self._event: MessageEvent | None = None

    @property
    def event(self) -> MessageEvent:
        """The event as its receivers read it: type, data, ID. Decoded once for all who ask."""
        if self._event is None:
            decoder = EventDecoder(max_event_size=len(self.block))
            (self._event,) = decoder.feed(self.block)
        return self._event

    def __repr__(self) -> str:
        return f"<Entry {self.position} {self.topic!r}, {len(self.block)} bytes>"
