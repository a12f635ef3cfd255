"""When something is due on a stream, by table: no event loop, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sse_asgi import StreamOptions
from sse_asgi.asgi.session.deadlines import FAREWELL_TIMEOUT, NEVER, Deadlines, Due


@dataclass
class Response:
    """How far a response has come."""

    busy: bool = False
    since: float = 100.0
    started: bool = True
    is_final: bool = False
    flush_at: float = NEVER


WAITING = {"started": False}
BUSY = {"busy": True}
FINAL = {"busy": True, "is_final": True}

OPTIONS: Any = {"ping": 10, "send_timeout": 30, "start_timeout": 2, "cleanup_timeout": 5}

# The response, the time, when to look again, what is due.
OPEN: list[tuple[dict[str, Any], float, float, Due]] = [
    (WAITING, 100, 102, Due.NOTHING),
    (WAITING, 102, 112, Due.WRITE),
    ({}, 100, 110, Due.NOTHING),
    ({}, 109.9, 110, Due.NOTHING),
    ({}, 110, 120, Due.WRITE),
    ({"since": 105}, 110, 115, Due.NOTHING),
    ({"flush_at": 101}, 100, 101, Due.NOTHING),
    ({"flush_at": 101}, 101, 111, Due.WRITE),
    ({"flush_at": 101, "busy": True}, 102, 112, Due.NOTHING),
    ({"flush_at": 101, "started": False}, 101, 102, Due.NOTHING),
    (BUSY, 110, 120, Due.NOTHING),
    (BUSY, 125, 130, Due.NOTHING),
    (BUSY, 130, 130, Due.SLOW),
    (FINAL, 130, 130, Due.SLOW),
]


@pytest.mark.parametrize(("response", "now", "look_at", "due"), OPEN)
def test_open_stream(response: dict[str, Any], now: float, look_at: float, due: Due) -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS), 100)
    assert deadlines.next(Response(**response), now) == (look_at, due)


def test_asking_changes_nothing() -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS), 100)
    answers = {deadlines.next(Response(), now) for now in (110, 110, 110)}
    assert len(answers) == 1


def test_pings_come_at_an_interval_of_their_own_if_they_always_come() -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS, ping_always=True), 100)
    assert deadlines.next(Response(since=109), 110)[1] is Due.WRITE
    deadlines.pinged(110)
    assert deadlines.next(Response(since=112), 113) == (120, Due.NOTHING)


def test_stream_without_ping_and_timeout_is_never_looked_at_again() -> None:
    deadlines = Deadlines(StreamOptions(ping=None, send_timeout=None), 100)
    assert deadlines.next(Response(), 100) == (NEVER, Due.NOTHING)


def test_lifetime_is_over_between_80_and_100_percent_of_it() -> None:
    moments = set()
    for _ in range(50):
        deadlines = Deadlines(StreamOptions(ping=None, max_lifetime=100), 100)
        when, due = deadlines.next(Response(), 100)
        assert due is Due.NOTHING
        assert 180 <= when <= 200 or when == 130
        assert deadlines.next(Response(), 179)[1] is Due.NOTHING
        assert deadlines.next(Response(), 200)[1] is Due.LIFETIME
        moments.add(deadlines.next(Response(), 179)[0])
    assert len(moments) > 40


# The response, seconds after the end of the grace, what is due.
STOPPED: list[tuple[dict[str, Any], float, Due]] = [
    ({}, -0.1, Due.NOTHING),
    ({}, 0, Due.END),
    (BUSY, 0, Due.NOTHING),
    (BUSY, FAREWELL_TIMEOUT, Due.END),
    (FINAL, 0, Due.END),
]


@pytest.mark.parametrize(("response", "after", "due"), STOPPED)
def test_stream_that_is_to_stop(response: dict[str, Any], after: float, due: Due) -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS, max_lifetime=1), 100)
    deadlines.stop(101)
    assert deadlines.next(Response(**response), 101 + after)[1] is due


# The response, seconds after the interruption, what is due.
ENDED: list[tuple[dict[str, Any], float, Due]] = [
    ({}, 0.5, Due.NOTHING),
    (BUSY, 0.5, Due.NOTHING),
    (BUSY, FAREWELL_TIMEOUT, Due.ABORT),
    ({}, FAREWELL_TIMEOUT, Due.NOTHING),
    ({}, 5, Due.INTERRUPT),
    (WAITING, 30, Due.INTERRUPT),
]


@pytest.mark.parametrize(("response", "after", "due"), ENDED)
def test_stream_that_has_been_interrupted(response: dict[str, Any], after: float, due: Due) -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS), 100)
    assert deadlines.interrupt(110) == 110 + FAREWELL_TIMEOUT
    assert deadlines.next(Response(**response), 110 + after)[1] is due


def test_connection_is_cut_once_and_clean_up_again_and_again() -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS), 100)
    deadlines.interrupt(110)
    deadlines.aborted()
    assert deadlines.next(Response(busy=True), 112) == (115, Due.NOTHING)
    deadlines.cut(115)
    assert deadlines.next(Response(), 116) == (121, Due.NOTHING)
    assert deadlines.next(Response(), 121)[1] is Due.INTERRUPT


def test_clean_up_has_its_time_although_nothing_interrupts() -> None:
    deadlines = Deadlines(StreamOptions(**OPTIONS), 100)
    assert deadlines.clean_up(103) == 108
    assert deadlines.clean_up(104) == 108
    assert deadlines.next(Response(since=104), 107) == (108, Due.NOTHING)
    assert deadlines.next(Response(), 108)[1] is Due.INTERRUPT
    deadlines.cleaned_up()
    assert deadlines.next(Response(since=104), 108) == (114, Due.NOTHING)
