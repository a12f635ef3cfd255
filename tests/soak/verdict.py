"""Whether what a server holds stays flat: a line through the samples, and how far it may rise.

Samples are taken at equal load: only the steady clients are there, and everybody else has left. So
what is counted (tasks, descriptors, threads, objects that the garbage collector tracks) must be the
same again and again, and may rise by 2 % whatever the time. Memory is what the allocator has not
given back: the heap still finds its size after a minute, and each percent is only some 400 KiB. So
memory may rise by 2 % in a soak of ten minutes or more after the warm-up, and by 10 % in less.

The slope is the median of the slopes between all pairs of samples (Theil and Sen): one sample that
stands out does not turn the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

from .sample import METRICS, Sample

__all__ = ["Growth", "growth", "judge", "slope"]

SHARE: Final = 0.02
SHORT_SHARE: Final = 0.10
"""What memory may grow by in a short soak."""
LONG: Final = 600.0
"""Seconds from which on a soak is long."""

MEMORY: Final = ("rss", "pss")
FLOOR: Final = {"tasks": 2, "descriptors": 2, "threads": 2}
"""What may come and go by chance, however few there are."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How one metric moved.

    :param first: where the line begins
    :param last: where the line ends
    :param allowed: how far it may rise
    """

    metric: str
    first: float
    last: float
    allowed: float

    @property
    def share(self) -> float:
        """The rise as a share of the beginning."""
        return (self.last - self.first) / self.first if self.first else 0.0

    @property
    def is_flat(self) -> bool:
        """Whether it rises no further than it may."""
        return self.last - self.first <= self.allowed

    def __str__(self) -> str:
        return f"{self.metric} went from {self.first:,.0f} to {self.last:,.0f} ({self.share:+.1%})"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points (time, value)."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0]]
    return median(slopes) if slopes else 0.0


def growth(metric: str, points: Sequence[tuple[float, float]]) -> Growth:
    """Return how the metric moved over the points (seconds, value).

    :raises ValueError: there are no points
    """
    if not points:
        raise ValueError(f"there is no sample of {metric}")
    begin, end = points[0][0], points[-1][0]
    rise = slope(points)
    # The line goes through the middle of the points, in both directions.
    middle = median(value - rise * (time - begin) for time, value in points)
    is_short_memory = metric in MEMORY and end - begin < LONG
    share = SHORT_SHARE if is_short_memory else SHARE
    allowed = max(share * middle, FLOOR.get(metric, 0))
    return Growth(metric, middle, middle + rise * (end - begin), allowed)


def judge(samples: Sequence[tuple[float, Sample]], warm_up: float) -> list[Growth]:
    """Return how each metric moved after the warm-up.

    :param samples: each with the seconds since the beginning
    """
    warm = [(time, sample) for time, sample in samples if time >= warm_up]
    return [
        growth(metric, [(time, getattr(sample, metric)) for time, sample in warm])
        for metric in METRICS
    ]
