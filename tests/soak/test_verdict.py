"""What counts as flat: steps of a warm-up do not, a slow rise does, one odd sample does not."""

from __future__ import annotations

import pytest

from .sample import Sample
from .verdict import Growth, growth, judge, slope

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


@pytest.mark.parametrize(("share", "flat"), [(0.019, True), (0.021, False), (-0.2, True)])
def test_objects_may_rise_by_two_percent(share: float, flat: bool) -> None:
    points = [(n * 10.0, 50_000 * (1 + share * n / 9)) for n in range(10)]
    move = growth("objects", points)
    assert move.share == pytest.approx(share)
    assert move.is_flat is flat


@pytest.mark.parametrize(
    ("seconds", "share", "flat"),
    [(90.0, 0.09, True), (90.0, 0.11, False), (1500.0, 0.019, True), (1500.0, 0.021, False)],
)
def test_memory_may_rise_by_more_in_a_short_soak(seconds: float, share: float, flat: bool) -> None:
    points = [(seconds * n / 9, 50_000_000 * (1 + share * n / 9)) for n in range(10)]
    assert growth("rss", points).is_flat is flat


def test_one_sample_that_stands_out_does_not_turn_the_line() -> None:
    points = [(float(n), 100.0) for n in range(9)] + [(9.0, 1000.0)]
    assert slope(points) == 0.0
    assert growth("tasks", points).is_flat


def test_two_more_tasks_are_chance_and_more_are_not() -> None:
    assert growth("tasks", [(float(n), 10 + 2 * n / 9) for n in range(10)]).is_flat
    assert not growth("tasks", [(float(n), 10 + 3 * n / 9) for n in range(10)]).is_flat


def test_slow_leak_is_found_among_noise() -> None:
    points = [(n * 30.0, 50_000 + 40 * n + (-1) ** n * 300) for n in range(50)]
    move = growth("objects", points)
    assert move.share == pytest.approx(40 * 49 / 50_000, rel=0.05)
    assert not move.is_flat


def test_growth_tells_the_line_in_words() -> None:
    assert (
        str(Growth("objects", 1000.0, 1100.0, 20.0)) == "objects went from 1,000 to 1,100 (+10.0%)"
    )


def test_no_sample_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="no sample of rss"):
        judge([(1.0, sample())], 2.0)
