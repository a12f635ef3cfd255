"""What counts as flat: steps of a warm-up do not, a slow rise does, one odd sample does not."""

from __future__ import annotations

import pytest

from .sample import Sample
from .verdict import CERTAIN, Growth, growth, judge, slope, trend

BASE = {"streams": 10, "runs": 0, "events": 0, "rss": 50_000_000, "pss": 40_000_000}
COUNTED = {"objects": 50_000, "tasks": 100, "descriptors": 110, "threads": 5}


def sample(**changes: int) -> Sample:
    return Sample(**{**BASE, **COUNTED, **changes})


def of(moves: list[Growth], metric: str) -> Growth:
    (move,) = [move for move in moves if move.metric == metric]
    return move


def test_same_samples_are_flat() -> None:
    moves = judge([(float(second), sample()) for second in range(0, 100, 10)], 30.0)
    assert all(move.is_flat for move in moves)
    assert {move.share for move in moves} == {0.0}


def test_samples_before_the_warm_up_is_over_do_not_count() -> None:
    rising = [(float(n), sample(objects=10_000 * n)) for n in range(5)]
    level = [(float(n), sample(objects=50_000)) for n in range(5, 10)]
    assert of(judge(rising + level, 5.0), "objects").is_flat
    assert not of(judge(rising + level, 0.0), "objects").is_flat


@pytest.mark.parametrize(
    ("metric", "seconds", "share", "flat"),
    [
        ("rss", 90.0, 0.09, True),
        ("rss", 90.0, 0.15, False),
        ("rss", 1500.0, 0.019, True),
        ("rss", 1500.0, 0.03, False),
        ("objects", 90.0, 0.04, True),
        ("objects", 90.0, 0.08, False),
        ("objects", 1500.0, 0.03, False),
        ("tasks", 90.0, 0.019, True),
        ("tasks", 90.0, 0.04, False),
        ("tasks", 90.0, -0.5, True),
    ],
)
def test_long_soak_allows_two_percent_and_a_short_one_more_memory(
    metric: str, seconds: float, share: float, flat: bool
) -> None:
    points = [(seconds * n / 11, 50_000 * (1 + share * n / 11)) for n in range(12)]
    move = growth(metric, points)
    assert move.share == pytest.approx(share)
    assert move.is_flat is flat


def test_rise_that_may_be_chance_is_none() -> None:
    swinging = [54.0, 58.0, 59.0, 62.0, 61.0, 55.0, 62.0, 57.0, 62.0, 59.0, 62.0, 60.0]
    move = growth("rss", [(100.0 * n, value) for n, value in enumerate(swinging)])
    assert move.share > 0.02
    assert move.is_flat


def test_rise_from_the_same_floor_is_none() -> None:
    busy = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0, 100.0, 107.0]
    move = growth("objects", [(100.0 * n, 500 * value) for n, value in enumerate(busy)])
    assert move.share > 0.02
    assert move.trend > CERTAIN
    assert move.is_flat


def test_trend_counts_the_pairs_that_rise() -> None:
    assert trend([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(10 / (5 * 4 * 15 / 18) ** 0.5)
    assert trend([5.0, 4.0, 3.0]) < 0
    assert trend([1.0, 1.0, 1.0]) == trend([1.0]) == 0


def test_one_sample_that_stands_out_does_not_turn_the_line() -> None:
    points = [(float(n), 100.0) for n in range(9)] + [(9.0, 1000.0)]
    assert slope(points) == 0.0
    assert growth("tasks", points).is_flat


def test_two_more_tasks_are_chance_and_more_are_not() -> None:
    assert growth("tasks", [(float(n), 10 + 2 * n / 9) for n in range(10)]).is_flat
    assert not growth("tasks", [(float(n), 10 + 4 * n / 9) for n in range(10)]).is_flat


def test_slow_leak_is_found_among_noise() -> None:
    points = [(n * 30.0, 50_000 + 40 * n + (-1) ** n * 300) for n in range(50)]
    move = growth("objects", points)
    assert move.share == pytest.approx(40 * 49 / 50_000, rel=0.05)
    assert not move.is_flat


def test_growth_tells_the_line_in_words() -> None:
    move = Growth("objects", 1000.0, 1100.0, 20.0, 3.0, 90.0)
    assert str(move) == "objects went from 1,000 to 1,100 (+10.0%)"


def test_no_sample_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="no sample of rss"):
        judge([(1.0, sample())], 2.0)
