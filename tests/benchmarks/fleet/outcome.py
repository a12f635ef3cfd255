"""The outcome of a deploy: who came when, and how long each client was without a stream."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["STEP", "Outcome", "quantile"]

STEP = 0.1
"""Seconds of a bar of the histogram of attempts."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed; 0 if there is none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(slots=True)
class Outcome:
    """What happened.

    :param attempts: connections that were tried, by the number of the step
    :param outages: seconds without a stream, one for each time that a client lost it
    :param refused: answers "come back later" of workers that were full
    :param dropped: connections that a full queue dropped
    :param lost: pages that never come back, since they got a 502
    :param back_at: when the last client was back
    :param longest_wait: the longest that a new client waited for the worker's core, which is also
        the longest that an event of its other clients was late
    :param moves: the most times that one client lost its stream and got another
    :param streams: the open streams of each worker at last
    """

    attempts: Counter[int] = field(default_factory=Counter)
    outages: list[float] = field(default_factory=list)
    refused: int = 0
    dropped: int = 0
    lost: int = 0
    back_at: float = 0.0
    longest_wait: float = 0.0
    moves: int = 0
    streams: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """The most attempts within one second."""
        window = round(1 / STEP)
        starts = {step - offset for step in self.attempts for offset in range(window)}
        return max(
            (sum(self.attempts[start + offset] for offset in range(window)) for start in starts),
            default=0,
        )

    def outage(self, share: float) -> float:
        """Return the outage that so large a share of them does not exceed, in seconds."""
        return quantile(sorted(self.outages), share)

    def history(self, rate: float) -> int:
        """Return how many events a hub must keep for all clients to resume without a gap."""
        return math.ceil(max(self.outages, default=0.0) * rate)
