"""Whether what a server holds stays flat: a line through the samples, chance, and the floor.

Samples are taken at equal load: the steady clients are there, and everybody else has left. What is
counted then comes back to the same numbers: tasks, descriptors, threads, and objects that the
garbage collector tracks. Memory is what the allocators have not given back. It swings: a stalled
client fills a buffer of ten MiB, which is the system's again a minute later. So a rise counts if

* the line rises by more than 2 %. Its slope is the median of the slopes between all pairs of
  samples (Theil and Sen), so that one sample that stands out does not turn it,
* and it is not chance: by Kendall's test, a flat server would seem to rise in one soak of forty,
* and the floor rises by more than that, too: the least of the last third of the samples over the
  least of the first third. A leak lifts the floor; work that is under way does not.

In a soak of less than ten minutes after the warm-up memory may rise by 10 % and objects by 5 %: the
heap still finds its size, and there are few samples. A leak of five objects for each connection is
more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import median
from typing import Final

from .sample import METRICS, Sample

__all__ = ["Growth", "growth", "judge", "slope", "trend"]

SHARE: Final = 0.02
SHORT_SHARES: Final = {"rss": 0.10, "pss": 0.10, "objects": 0.05}
"""What may rise by more in a short soak."""
LONG: Final = 600.0
"""Seconds from which on a soak is long."""
CERTAIN: Final = 1.96
"""Standard deviations of Kendall's test."""

FLOOR: Final = {"tasks": 2, "descriptors": 2, "threads": 2}
"""What may come and go by chance, however few there are."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How one metric moved.

    :param first: where the line begins
    :param last: where the line ends
    :param allowed: how far it may rise
    :param trend: standard deviations between Kendall's count and that of chance
    :param floor: how far the least values rose
    """

    metric: str
    first: float
    last: float
    allowed: float
    trend: float
    floor: float

    @property
    def share(self) -> float:
        """The rise as a share of the beginning."""
        return (self.last - self.first) / self.first if self.first else 0.0

    @property
    def is_flat(self) -> bool:
        """Whether it rises no further than it may, or by chance, or from the same floor."""
        rise = min(self.last - self.first, self.floor)
        return rise <= self.allowed or self.trend < CERTAIN

    def __str__(self) -> str:
        return f"{self.metric} went from {self.first:,.0f} to {self.last:,.0f} ({self.share:+.1%})"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points (time, value)."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0]]
    return median(slopes) if slopes else 0.0


def trend(values: Sequence[float]) -> float:
    """Return how far the values rise in order, in standard deviations (Kendall's test)."""
    number = len(values)
    count = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    return count / sqrt(number * (number - 1) * (2 * number + 5) / 18) if number > 1 else 0.0


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
    share = SHORT_SHARES.get(metric, SHARE) if end - begin < LONG else SHARE
    allowed = max(share * middle, FLOOR.get(metric, 0))
    values = [value for _, value in points]
    third = -(-len(values) // 3)
    floor = min(values[-third:]) - min(values[:third])
    return Growth(metric, middle, middle + rise * (end - begin), allowed, trend(values), floor)


def judge(samples: Sequence[tuple[float, Sample]], warm_up: float) -> list[Growth]:
    """Return how each metric moved after the warm-up.

    :param samples: each with the seconds since the beginning
    """
    warm = [(time, sample) for time, sample in samples if time >= warm_up]
    return [
        growth(metric, [(time, getattr(sample, metric)) for time, sample in warm])
        for metric in METRICS
    ]
