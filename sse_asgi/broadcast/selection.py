"""The entries of its topics that one subscriber wants."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextvars import Context
from itertools import islice
from typing import TypeAlias

from .log.entry import Entry

__all__ = ["Filter", "Key", "Selection"]

Filter: TypeAlias = Callable[[Entry], object]
Key: TypeAlias = Callable[[Entry], Hashable]


class Selection:
    """Chooses entries.

    :param topics: entries of other topics are left out
    :param filter: so are the entries for which it returns a false value
    :param keep_latest: of the entries of a backlog with the same key, only the newest is kept
    :param context: the two functions run in it, since they may ask for the request
    """

    __slots__ = ("_context", "_filter", "_key", "_latest", "topics")

    def __init__(
        self,
        topics: frozenset[str],
        filter: Filter | None,  # noqa: A002
        keep_latest: Key | None,
        context: Context,
    ) -> None:
        self.topics: frozenset[str] = topics
        self._filter = filter
        self._key = keep_latest
        self._context = context
        self._latest: dict[Hashable, Entry] = {}

    @property
    def takes_all(self) -> bool:
        """Whether every entry of the topics is wanted."""
        return self._filter is None and self._key is None

    @property
    def keeps_latest(self) -> bool:
        """Whether an entry of a backlog is wanted only if no newer one has its key."""
        return self._key is not None

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the wanted entries of ``entries``, oldest first, as far as the filter decides."""
        chosen = [entry for entry in entries if entry.topic in self.topics]
        if self._filter is not None:
            chosen = self._context.run(self._filtered, chosen)
        return chosen

    def _filtered(self, entries: list[Entry]) -> list[Entry]:
        assert self._filter is not None
        return [entry for entry in entries if self._filter(entry)]

    def collect(self, entries: Iterable[Entry]) -> None:
        """Keep the newest entry of each key, until :meth:`drop` lets go of it."""
        self._context.run(self._collect, entries)

    def _collect(self, entries: Iterable[Entry]) -> None:
        assert self._key is not None
        for entry in entries:
            key = self._key(entry)
            self._latest.pop(key, None)  # a key stands where its newest entry stands
            self._latest[key] = entry

    @property
    def has_collected(self) -> bool:
        """Whether entries are kept that were not taken yet."""
        return bool(self._latest)

    def collected(self) -> Iterator[Entry]:
        """Return the entries that are kept, oldest first."""
        return iter(self._latest.values())

    def drop(self, count: int) -> None:
        """Let go of the oldest entries that are kept."""
        for key in list(islice(self._latest, count)):
            del self._latest[key]
