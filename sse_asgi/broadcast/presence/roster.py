"""The connected members, as one process knows them from the messages of all.

Each process tells the others how many connections of each member it has, and says at each *beat*
that it lives. All processes read the same messages in the same order, so all rosters go through the
same states, and agree on who came first and who left last.

A process is lost when :data:`LOST_AFTER` beats of ours came back over the log, and nothing of its
own came between them. So no clock is asked: when the log stands still, our own beats do not come
back either, and nobody is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

__all__ = ["LOST_AFTER", "Change", "Member", "Roster"]

LOST_AFTER: Final = 4
"""Beats of ours after which a silent process is lost."""


class Member(NamedTuple):
    """A member of a topic: a user, a device or a session, as the application names it."""

    topic: str
    key: str


class Change(NamedTuple):
    """A member came, in whichever process, or left the last one."""

    member: Member
    is_here: bool


class Roster:
    """The members of all topics, by the processes that they are connected to."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[str, dict[str, int]]] = {}
        self._processes: dict[str, set[Member]] = {}
        self._beats: dict[str, int] = {}

    # -- what is known -----------------------------------------------------------------------------

    def members(self, topic: str) -> dict[str, int]:
        """Return how many connections each member of a topic has, by its key."""
        return {key: sum(counts.values()) for key, counts in self._topics.get(topic, {}).items()}

    @property
    def processes(self) -> frozenset[str]:
        """The processes that were heard of, and are not lost."""
        return frozenset(self._beats)

    def knows(self, process: str) -> bool:
        """Tell whether a process was heard of, and is not lost."""
        return process in self._beats

    def is_silent(self, process: str) -> bool:
        """Tell whether a process that was heard of has been silent for so long that it is lost."""
        return self._beats.get(process, 0) >= LOST_AFTER

    # -- what the messages say ---------------------------------------------------------------------

    def heard(self, process: str) -> None:
        """Take note that a process lives."""
        self._beats[process] = 0

    def beat(self, process: str) -> list[str]:
        """Take note that a beat of ours came back; return the processes that are lost by it.

        :param process: ours
        """
        self.heard(process)
        for other in self._beats:
            if other != process:
                self._beats[other] += 1
        return [other for other in self._beats if self.is_silent(other)]

    def count(self, process: str, member: Member, connections: int) -> Change | None:
        """Take note of how many connections of a member a process has."""
        keys = self._topics.setdefault(member.topic, {})
        counts = keys.setdefault(member.key, {})
        was_here = bool(counts)
        if connections:
            counts[process] = connections
            self._processes.setdefault(process, set()).add(member)
        else:
            counts.pop(process, None)
            self._processes.get(process, set()).discard(member)
        is_here = bool(counts)
        if not is_here:
            del keys[member.key]
            if not keys:
                del self._topics[member.topic]
        return None if is_here is was_here else Change(member, is_here)

    def forget(self, process: str) -> list[Change]:
        """Let go of a process that is lost or has gone, and of the connections that it had."""
        self._beats.pop(process, None)
        left = sorted(self._processes.pop(process, ()))
        return list(_changes(self.count(process, member, 0) for member in left))

    def clear(self) -> None:
        """Let go of everything: messages were missed."""
        self._topics.clear()
        self._processes.clear()
        self._beats.clear()


def _changes(changes: Iterable[Change | None]) -> Iterator[Change]:
    for change in changes:
        if change is not None:
            yield change
