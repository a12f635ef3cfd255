"""The entries of a history by topic, and the followers of each topic."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any, Final, Protocol

from .entry import Entry

__all__ = ["Follower", "Topic", "TopicIndex", "merged", "sequence_of"]

_COMPACT_FROM: Final = 64
"""Trimmed places from which on the list of a topic's entries is cut."""

_MOST_FORGOTTEN: Final = 10_000
"""Topics without entries whose trimming is remembered by name."""


class Follower(Protocol):
    """Follows one topic. It is called under the history's lock, in any thread."""

    def note(self) -> None:
        """Take note that the topic has a new entry. Never waits and never fails."""


class Topic:
    """The retained entries of one topic, oldest first."""

    __slots__ = ("_entries", "_start", "followers", "has_ended", "total", "trimmed")

    def __init__(self, trimmed: int) -> None:
        self._entries: list[Any] = []
        self._start = 0  # the places before it are empty, and are cut off now and then
        self.trimmed: int = trimmed
        """The highest sequence that may have been trimmed off this topic."""
        self.total: int = 0
        """How many entries the topic has had while this process knows it."""
        self.followers: list[Follower] = []
        self.has_ended: bool = False
        """Whether its last entry came into this process's memory."""

    def __len__(self) -> int:
        return len(self._entries) - self._start

    @property
    def newest(self) -> int:
        """The highest sequence that an entry of the topic may have; also without the lock."""
        # One step, since another thread may trim the entry meanwhile.
        entry = next(iter(self._entries[-1:]), None)
        return self.trimmed if entry is None else int(entry.sequence)

    def append(self, entry: Entry) -> None:
        """Add the newest entry."""
        self._entries.append(entry)
        self.total += 1

    def trim(self) -> None:
        """Let go of the oldest entry."""
        entries = self._entries
        self.trimmed = entries[self._start].sequence
        self._start += 1
        if self._start >= _COMPACT_FROM and self._start * 2 >= len(entries):
            del entries[: self._start]
            self._start = 0
        else:
            entries[self._start - 1] = None

    def clear(self, trimmed: int) -> None:
        """Let go of every entry, in a history that begins anew."""
        self._entries, self._start, self.trimmed = [], 0, trimmed

    def count_after(self, sequence: int) -> int:
        """Count the retained entries after ``sequence``."""
        return len(self._entries) - self._index_after(sequence)

    def before(self, sequence: int) -> int:
        """Return the sequence of the last entry up to ``sequence``."""
        index = self._index_after(sequence) - 1
        return int(self._entries[index].sequence) if index >= self._start else self.trimmed

    def after(self, sequence: int) -> Iterator[Entry]:
        """Return the retained entries after ``sequence``, oldest first."""
        # Not islice, which goes through all the entries that it leaves out.
        entries = self._entries
        return map(entries.__getitem__, range(self._index_after(sequence), len(entries)))

    def steadily_after(self, sequence: int) -> Iterator[Entry]:
        """Return the same entries, also while others are added and old ones are trimmed.

        It ends where an entry was trimmed that it had yet to return.
        """
        number = self.total - self.count_after(sequence)
        while 0 < (left := self.total - number) <= len(self):
            yield self._entries[-left]
            number += 1

    def _index_after(self, sequence: int) -> int:
        return bisect_right(self._entries, sequence, lo=self._start, key=sequence_of)


class TopicIndex:
    """Topics by name. A topic without entries and followers is forgotten: names may be endless."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._forgotten: OrderedDict[str, int] = OrderedDict()
        self._floor = 0  # what was trimmed off a forgotten topic that is not remembered either

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)

    def __getitem__(self, name: str) -> Topic:
        return self._topics[name]

    def counts(self) -> dict[str, int]:
        """Return how many entries each topic has."""
        return {name: len(topic) for name, topic in self._topics.items()}

    def topic(self, name: str) -> Topic:
        """Return the topic of that name, made if it is not there."""
        topic = self._topics.get(name)
        if topic is None:
            trimmed = self._forgotten.pop(name, self._floor)
            topic = self._topics[name] = Topic(trimmed)
        return topic

    def trimmed(self, name: str) -> int:
        """Return the highest sequence that may have been trimmed off the topic of that name."""
        topic = self._topics.get(name)
        return self._forgotten.get(name, self._floor) if topic is None else topic.trimmed

    def trim(self, name: str) -> None:
        """Let go of the oldest entry of a topic."""
        topic = self._topics[name]
        topic.trim()
        self.forget_if_unused(name, topic)

    def forget_if_unused(self, name: str, topic: Topic) -> None:
        """Let go of a topic without entries and followers, but remember what was trimmed off it."""
        if not len(topic) and not topic.followers:
            del self._topics[name]
            self._forgotten[name] = topic.trimmed
            if len(self._forgotten) > _MOST_FORGOTTEN:
                _, trimmed = self._forgotten.popitem(last=False)
                self._floor = max(self._floor, trimmed)

    def abandon(self) -> None:
        """Let go of every follower."""
        for name, topic in list(self._topics.items()):
            topic.followers.clear()
            self.forget_if_unused(name, topic)

    def clear(self, floor: int) -> None:
        """Let go of every entry: the history begins anew after ``floor``."""
        self._floor = floor
        self._forgotten.clear()
        for name, topic in list(self._topics.items()):
            topic.clear(floor)
            self.forget_if_unused(name, topic)


def merged(topics: Iterable[Topic], after: int) -> Iterator[Entry]:
    """Return the retained entries of several topics after a sequence, oldest first."""
    several = [topic.after(after) for topic in topics]
    return several[0] if len(several) == 1 else merge(*several, key=sequence_of)


def sequence_of(entry: Entry) -> int:
    """Return the place of an entry in the log, by which entries are in order."""
    return entry.sequence
