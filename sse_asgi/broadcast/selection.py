"""What one subscriber wants of the entries of its topics."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from .log.entry import Entry

__all__ = ["Filter", "Key", "Selection"]

Filter: TypeAlias = Callable[[Entry], object]
Key: TypeAlias = Callable[[Entry], Hashable]


class Selection:
    """Chooses entries.

    :param topics: those of other topics are left out
    :param filter: so are those it returns something false for
    :param keep_latest: of the entries with the same key, only the newest is kept
    """

    __slots__ = ("_filter", "_key", "topics")

    def __init__(
        self,
        topics: frozenset[str],
        filter: Filter | None,  # noqa: A002
        keep_latest: Key | None,
    ) -> None:
        self.topics = topics
        self._filter = filter
        self._key = keep_latest

    @property
    def takes_all(self) -> bool:
        """Whether every entry of the topics is wanted."""
        return self._filter is None and self._key is None

    @property
    def looks_ahead(self) -> bool:
        """Whether what is wanted of an entry depends on those after it."""
        return self._key is not None

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return those of ``entries`` that are wanted, oldest first."""
        chosen = [entry for entry in entries if entry.topic in self.topics]
        if self._filter is not None:
            chosen = [entry for entry in chosen if self._filter(entry)]
        if self._key is not None:
            latest: dict[Hashable, Entry] = {}
            for entry in chosen:
                key = self._key(entry)
                latest.pop(key, None)  # it stands where its newest entry stands
                latest[key] = entry
            chosen = list(latest.values())
        return chosen
