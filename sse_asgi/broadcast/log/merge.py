"""The entries of many topics in the order of the log, read in bites."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice, takewhile

from .entry import Entry
from .topics import Topic, sequence_of

__all__ = ["Merge"]


class Merge:
    """The entries of some topics that lie between two places of the log.

    To find the place in each topic takes time for each topic. A reader of a long backlog takes it
    once here, and not again for each bite. All calls come under the history's lock.

    :param topics: every topic that has entries between the places
    :param at: the sequence after which it begins
    :param horizon: the sequence of the last entry that it may have
    """

    __slots__ = ("_ahead", "_rest", "at")

    def __init__(self, topics: Iterable[Topic], at: int, horizon: int) -> None:
        self.at: int = at
        """The sequence up to which it was passed."""
        entries = merge(*(topic.steadily_after(at) for topic in topics), key=sequence_of)
        self._rest: Iterator[Entry] = takewhile(lambda entry: entry.sequence <= horizon, entries)
        self._ahead: deque[Entry] = deque()

    def next_entries(self, most: int) -> list[Entry]:
        """Return the entries after the place, ``most`` of them at most."""
        self._ahead.extend(islice(self._rest, max(0, most - len(self._ahead))))
        return list(islice(self._ahead, most))

    def pass_to(self, at: int) -> list[Entry]:
        """Go on after ``at``, and return the entries that lie behind now."""
        passed = []
        while self._ahead and self._ahead[0].sequence <= at:
            passed.append(self._ahead.popleft())
        self.at = at
        return passed
