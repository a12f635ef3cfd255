"""The silence of owners, as a process with a clock of its own sees it."""

from __future__ import annotations

import pytest

from sse_asgi.broadcast.runs.lease import Due, LeaseWatch

LEASE = 10.0


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> LeaseWatch:
    return LeaseWatch(LEASE, clock)


def live(run: str) -> bool:
    return not run.startswith("no ")


class Passing:
    """Lets time pass in small steps, and remembers what was due when."""

    def __init__(self, watch: LeaseWatch, clock: Clock) -> None:
        self.watch, self.clock = watch, clock
        self.calls: list[tuple[float, str]] = []
        self.lost: list[tuple[float, str]] = []
        self.answers = False
        self.returns = True
        self.beats = False

    def until(self, end: float) -> None:
        while self.clock.now < 100.0 + end:
            self.clock.now += 0.25
            since = self.clock.now - 100.0
            if self.beats and since % 3.25 == 0:
                self.watch.heard("owner")
            calls, lost = self.watch.due(live)
            self.calls += [(since, run) for run in calls]
            self.lost += [(since, run) for run in lost]
            for run in calls:
                if self.returns:
                    self.watch.returned(run)
                if self.answers:
                    self.clock.now += 0.01
                    self.watch.heard("owner", run)
                    self.clock.now -= 0.01
            for run in lost:
                self.watch.forget(run)


@pytest.fixture
def passing(watch: LeaseWatch, clock: Clock) -> Passing:
    return Passing(watch, clock)


def test_owner_that_is_not_known_is_called_at_once_and_lost_within_a_lease(
    watch: LeaseWatch, passing: Passing
) -> None:
    watch.watch("run")
    passing.until(30)
    assert [call for call in passing.calls if call[0] < 0.8 * LEASE] == [(0.25, "run")]
    ((when, run),) = passing.lost
    assert run == "run"
    assert 0.8 * LEASE <= when <= LEASE


def test_owner_that_dies_is_lost_within_a_lease_of_its_last_word(
    watch: LeaseWatch, passing: Passing
) -> None:
    watch.watch("run")
    passing.answers = passing.beats = True
    passing.until(20)
    assert passing.lost == []
    passing.answers = passing.beats = False
    passing.until(60)
    ((when, _),) = passing.lost
    assert 19.5 + 0.8 * LEASE <= when <= 19.5 + LEASE + 0.25


def test_owner_that_beats_is_called_only_once(watch: LeaseWatch, passing: Passing) -> None:
    watch.watch("run")
    passing.answers = passing.beats = True
    passing.until(100)
    assert (len(passing.calls), passing.lost) == (1, [])


def test_owner_that_only_answers_is_never_lost(watch: LeaseWatch, passing: Passing) -> None:
    watch.watch("run")
    passing.answers = True
    passing.until(100)
    assert passing.lost == []
    assert 10 < len(passing.calls) < 25


def test_owner_is_not_lost_while_calls_do_not_come_back(
    watch: LeaseWatch, passing: Passing
) -> None:
    watch.watch("run")
    passing.returns = False  # the log is out of reach
    passing.until(60)
    assert passing.lost == []
    watch.failed("run")
    passing.returns = True
    passing.until(60.25)
    assert passing.lost == [], "it has time to answer now"
    passing.until(64)
    assert len(passing.lost) == 1


def test_owner_is_not_lost_if_the_log_fails_after_the_first_call(
    watch: LeaseWatch, clock: Clock, passing: Passing
) -> None:
    watch.watch("run")
    passing.until(5)
    passing.returns = False
    passing.until(10)
    assert (len(passing.calls), passing.lost) == (2, [])
    watch.returned("run")  # late: the outage is over
    passing.returns = True
    watch.heard("owner", "run")
    passing.beats = True
    passing.until(40)
    assert passing.lost == []


def test_process_that_was_frozen_judges_nobody_before_it_has_read_on(
    watch: LeaseWatch, clock: Clock, passing: Passing
) -> None:
    watch.watch("run")
    passing.until(1)
    clock.now += 60
    assert watch.due(live) == Due(["run"], [])
    watch.heard("owner", "run")
    passing.beats = True
    passing.until(75)
    assert passing.lost == []


def test_run_that_has_ended_or_never_began_is_forgotten(
    watch: LeaseWatch, passing: Passing
) -> None:
    watch.watch("no run")
    passing.until(11)
    assert len(watch) == 0
    assert passing.calls == passing.lost == []


def test_watch_is_bounded(watch: LeaseWatch) -> None:
    for number in range(10_005):
        watch.watch(str(number))
        watch.heard(f"owner {number}", str(number))
    assert len(watch) == 10_000


def test_owners_that_were_silent_for_long_are_forgotten(watch: LeaseWatch, clock: Clock) -> None:
    for number in range(100):
        watch.heard(f"owner {number}")
    clock.now += 11 * LEASE
    watch.due(live)
    assert watch._heard == {}


def test_what_nobody_watches_is_no_error(watch: LeaseWatch) -> None:
    watch.heard("owner", "run")
    watch.returned("run")
    watch.failed("run")
    watch.forget("run")
    assert watch.due(live) == Due([], [])
