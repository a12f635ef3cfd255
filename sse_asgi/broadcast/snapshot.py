"""What a hub looks like at one moment: plain data for metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from .log.entry import Position
from .log.reader import LogReader

__all__ = ["HubSnapshot", "Placed", "snapshot_of"]


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """The state of a hub, as one process knows it.

    :param position: the position of the newest event, None while the log was not reached
    :param oldest: the position after which memory holds every event
    :param topics: the events in memory, by topic
    :param events: the events in memory
    :param bytes: their encoded size
    :param subscribers: subscriptions, in all event loops of the process
    :param backlog: how many events the subscription that is furthest behind has before it
    :param gaps: how often a subscriber had to be told of a gap
    :param lost: how many events these gaps hid from their subscribers, where that was known
    :param silence: seconds since the log was last heard of
    :param published: how many events this process has published
    """

    position: str | None
    oldest: str | None
    topics: Mapping[str, int]
    events: int
    bytes: int
    subscribers: int
    backlog: int
    gaps: int
    lost: int
    silence: float
    published: int


class Placed(Protocol):
    """A subscriber's place in the log."""

    @property
    def backlog(self) -> int:
        """How many entries of the log lie before it."""


def snapshot_of(reader: LogReader, places: Collection[Placed], silence: float) -> HubSnapshot:
    """Return what one process knows of a hub.

    :param places: those of its subscribers
    :param silence: seconds since the log was last heard of
    """
    history = reader.history
    with history.lock:
        history.trim()
        position = history.position
        return HubSnapshot(
            position=None if position is None else str(position),
            oldest=None if position is None else str(Position(position.epoch, history.floor)),
            topics=history.topics.counts(),
            events=len(history),
            bytes=history.bytes,
            subscribers=len(places),
            backlog=max((place.backlog for place in places), default=0),
            gaps=reader.gaps,
            lost=reader.lost,
            silence=silence,
            published=reader.published,
        )
