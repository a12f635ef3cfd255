"""One published event, encoded once for everybody who gets it."""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple

from ...wire import EventDecoder, MessageEvent

__all__ = ["Entry", "Position", "new_epoch"]

# What a client sends back is anybody's text: this and nothing else, so at most 33 characters.
_FORM: Final = re.compile(r"([0-9a-z]{1,16})-(0|[1-9][0-9]{0,15})", re.ASCII)


class Position(NamedTuple):
    """A place in one life of a log.

    :param epoch: names the life of the log: a log that was lost and begun anew has another one, so
        that a position of the old log is recognised, and never answered with the wrong events
    :param sequence: rises from one entry to the next; 0 is before the first
    """

    epoch: str
    sequence: int

    def __str__(self) -> str:
        """Return the position as an event ID."""
        return f"{self.epoch}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position that ``text`` is the ID of, or None if it is no position's."""
        match = _FORM.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]))


def new_epoch() -> str:
    """Return a name for the life of a log that begins now."""
    return secrets.token_hex(4)


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
