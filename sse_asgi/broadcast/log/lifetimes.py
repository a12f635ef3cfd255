"""The topics of a log that were begun or ended by a publication that said so.

Most topics neither begin nor end: they are names that events carry. A publication with
``first=True`` begins its topic, and the log takes only one. A publication with ``last=True`` ends
it, and the log takes none after it. Both are remembered for longer than the events, so that a
client that comes late is told of an end whose event is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from .entry import Entry

__all__ = ["MOST_MARKS", "Lifetimes", "Mark"]

MOST_MARKS: Final = 10_000
"""Beginnings that are remembered, and as many ends: the newest ones."""


class Mark(NamedTuple):
    """The beginning or the end of a topic.

    :param topic: the name of the topic
    :param is_end: whether this is the end
    :param sequence: that of its first or last entry; 0: it was in an earlier life of the log
    """

    topic: str
    is_end: bool
    sequence: int


class Lifetimes:
    """Knows which topics were begun and which have ended: the newest 10,000 of each."""

    __slots__ = ("_begins", "_ends")

    def __init__(self) -> None:
        self._begins: OrderedDict[str, int] = OrderedDict()
        self._ends: OrderedDict[str, int] = OrderedDict()

    def begin(self, marks: Iterable[Mark]) -> None:
        """Know these alone, of which the oldest comes first."""
        self._begins.clear()
        self._ends.clear()
        for mark in marks:
            self._note(mark)

    def note(self, entry: Entry) -> None:
        """Take note of an entry that begins or ends its topic."""
        if entry.is_first:
            self._note(Mark(entry.topic, is_end=False, sequence=entry.sequence))
        if entry.is_last:
            self._note(Mark(entry.topic, is_end=True, sequence=entry.sequence))

    def _note(self, mark: Mark) -> None:
        known = self._ends if mark.is_end else self._begins
        known[mark.topic] = mark.sequence
        if len(known) > MOST_MARKS:
            known.popitem(last=False)

    def has_begun(self, topic: str) -> bool:
        """Tell whether a topic was begun, or has ended."""
        return topic in self._begins or topic in self._ends

    def has_ended(self, topic: str) -> bool:
        """Tell whether a topic has ended."""
        return topic in self._ends

    def first_of(self, topics: Iterable[str]) -> int | None:
        """Return the sequence with which the first of ``topics`` began.

        None: the beginning of one of them is not known.
        """
        found = [self._begins.get(topic) for topic in topics]
        known = [sequence for sequence in found if sequence is not None]
        return min(known) if len(known) == len(found) else None

    def last_of(self, topics: Iterable[str]) -> int | None:
        """Return the sequence with which the last of ``topics`` ended; None: one may go on."""
        found = [self._ends.get(topic) for topic in topics]
        known = [sequence for sequence in found if sequence is not None]
        return max(known) if len(known) == len(found) else None
