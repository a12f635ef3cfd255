"""Positions in a log: what a subscriber has seen, and the ID of the event that stands there."""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple

__all__ = ["Position", "new_epoch"]

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
