"""What a client may get: each number once and in order, unless it is told of a gap."""

from __future__ import annotations

import json

from sse_asgi.wire import MessageEvent

from .sequence import Sequence


def numbers(*given: int) -> list[MessageEvent]:
    return [MessageEvent(f"{number} x x", id=f"e-{number}") for number in given]


def gap() -> MessageEvent:
    return MessageEvent(json.dumps({"reason": "expired", "lost": 2}), "gap", "e-9")


def taken(*events: MessageEvent, first: int | None = None) -> Sequence:
    sequence = Sequence(first)
    for event in events:
        sequence.take(event)
    return sequence


def test_numbers_in_order_are_complete_and_the_last_id_is_kept() -> None:
    sequence = taken(MessageEvent("{}", "position", "e-4"), *numbers(5, 6, 7))
    assert not sequence.faults
    assert (sequence.events, sequence.next, sequence.last_event_id) == (3, 8, "e-7")


def test_hole_is_a_fault() -> None:
    assert taken(*numbers(5, 7)).faults == ["7 came instead of 6"]


def test_number_that_comes_twice_is_a_fault() -> None:
    assert taken(*numbers(5, 5)).faults == ["5 came instead of 6"]


def test_sequence_that_begins_late_is_a_fault_where_its_beginning_is_known() -> None:
    assert taken(*numbers(1), first=0).faults == ["1 came instead of 0"]
    assert not taken(*numbers(0), first=0).faults


def test_hole_behind_a_gap_is_none() -> None:
    sequence = taken(*numbers(5), gap(), *numbers(9, 10))
    assert not sequence.faults
    assert sequence.gaps == 1


def test_number_that_comes_again_behind_a_gap_is_a_fault() -> None:
    assert taken(*numbers(5), gap(), *numbers(5)).faults == ["5 came again after a gap"]


def test_end_of_a_run_is_noticed() -> None:
    started = MessageEvent("{}", "started", "e-1")
    ended = MessageEvent("{}", "ended", "e-3")
    sequence = taken(started, *numbers(0), ended, first=0)
    assert sequence.has_ended
    assert not sequence.faults
