"""What a hub looks like at one moment: plain data for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["HubSnapshot"]


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """What one process knows of a hub.

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
