"""History is bounded, and knows what it has let go of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pytest

from sse_asgi.broadcast import Entry, History, MemoryBackend, Position
from sse_asgi.broadcast.log.topics import merged


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def history(**bounds: Any) -> History:
    """Return a history that has begun."""
    made = History(**{"max_events": 10, "max_bytes": 10_000, **bounds})
    made.begin("e", 0, 0)
    return made


def entries(
    sequences: Iterable[int], topic: str = "t", block: bytes = b"data: x\n\n"
) -> list[Entry]:
    return [Entry(Position("e", sequence), topic, block) for sequence in sequences]


def sequences(history: History) -> list[int]:
    return [entry.sequence for entry in history]


def test_entry_carries_its_position_as_its_id_and_reads_back() -> None:
    (entry,) = entries([7], block=b"event: a\ndata: x\ndata: y\n\n")
    assert entry.block == b"id: e-7\nevent: a\ndata: x\ndata: y\n\n"
    assert (entry.event.event, entry.event.data, entry.event.id) == ("a", "x\ny", "e-7")
    assert entry.event is entry.event


def test_oldest_entries_go_when_there_are_too_many() -> None:
    kept = history(max_events=3)
    kept.append(*entries(range(1, 6)))
    assert sequences(kept) == [3, 4, 5]
    assert (kept.floor, kept.tip, len(kept)) == (2, 5, 3)


def test_oldest_entries_go_when_they_are_too_large() -> None:
    size = len(entries([1])[0].block)
    kept = history(max_bytes=2 * size)
    kept.append(*entries([1, 2, 3]))
    assert sequences(kept) == [2, 3]
    assert kept.bytes == 2 * size


def test_newest_entry_is_kept_although_it_is_beyond_the_bound_by_itself() -> None:
    kept = history(max_bytes=50)
    kept.append(*entries([1]), *entries([2], block=b"data: %b\n\n" % (b"x" * 60)))
    assert sequences(kept) == [2]
    assert (kept.floor, kept.tip) == (1, 2)
    kept.append(*entries([3]))
    assert sequences(kept) == [3]


def test_entries_go_when_they_are_too_old() -> None:
    now = Now()
    kept = history(max_age=60, now=now)
    kept.append(*entries([1]))
    now.seconds += 40
    kept.append(*entries([2]))
    now.seconds += 40
    kept.trim()
    assert sequences(kept) == [2]
    now.seconds += 40
    kept.trim()
    assert sequences(kept) == []
    assert kept.floor == kept.tip == 2


def test_entries_after_a_position_come_in_the_log_s_order_whatever_their_topics() -> None:
    kept = history()
    for sequence, topic in enumerate("abcabcabc", 1):
        kept.append(*entries([sequence], topic))

    def after(sequence: int, *topics: str) -> list[int]:
        found = merged([kept.topics[name] for name in topics], sequence)
        return [entry.sequence for entry in found]

    assert after(2, "a", "b") == [4, 5, 7, 8]
    assert after(0, "c") == [3, 6, 9]
    assert after(9, "a", "b", "c") == []


def test_what_was_appended_already_is_not_appended_again() -> None:
    kept = history()
    kept.append(*entries([1, 2]))
    kept.append(*entries([2, 3]))
    assert sequences(kept) == [1, 2, 3]


class Counted(list[Any]):
    """Counts the entries that somebody looks at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            self.looks += 1
            yield entry


def test_entries_before_the_place_of_a_reader_cost_it_nothing() -> None:
    kept = history(max_events=10_000, max_bytes=1_000_000)
    kept.append(*entries(range(1, 5001)))
    topic = kept.topics["t"]
    topic._entries = counted = Counted(topic._entries)
    assert [entry.sequence for entry in islice(topic.after(4000), 5)] == [*range(4001, 4006)]
    assert counted.looks < 30  # to find the place, and then the five


def test_quiet_topic_is_whole_while_others_are_trimmed() -> None:
    kept = history(max_events=3)
    kept.append(*entries([1], "quiet"), *entries([2], "busy"))
    kept.append(*entries(range(3, 10), "busy"), *entries([10], "quiet"))
    assert kept.floor == 7
    assert kept.is_whole_after(1, {"quiet"})
    assert not kept.is_whole_after(0, {"quiet"})
    assert not kept.is_whole_after(6, {"busy"})
    assert not kept.is_whole_after(1, {"quiet", "busy"})
    assert kept.is_whole_after(7, {"busy"})


def test_topics_without_entries_are_forgotten_but_not_what_was_trimmed_off_them() -> None:
    kept = history(max_events=2)
    for sequence in range(1, 1001):
        kept.append(*entries([sequence], f"topic {sequence}"))
    assert len(kept.topics) == 2
    assert not kept.is_whole_after(0, {"topic 1"})
    assert not kept.is_whole_after(899, {"topic 900"})
    assert kept.is_whole_after(1, {"topic 1"})
    assert kept.is_whole_after(0, {"never published"})


def test_trimming_of_endless_topics_is_remembered_up_to_a_bound() -> None:
    kept = history(max_events=2)
    for sequence in range(1, 10_101):
        kept.append(*entries([sequence], f"topic {sequence}"))
    assert not kept.is_whole_after(10, {"never published"})
    assert kept.is_whole_after(5000, {"never published"})


def test_history_that_begins_anew_forgets_everything() -> None:
    kept = history(max_events=3)
    kept.append(*entries(range(1, 6)))
    kept.begin("f", 4, 9, [Entry(Position("f", 9), "t", b"data: x\n\n")])
    assert (kept.epoch, kept.floor, kept.tip, sequences(kept)) == ("f", 4, 9, [9])
    assert kept.position == Position("f", 9)
    assert not kept.is_whole_after(3, {"t"})
    assert kept.is_whole_after(4, {"t"})


def test_history_that_has_not_begun_has_no_position() -> None:
    assert History(max_events=1, max_bytes=1).position is None


def test_silence_counts_from_the_last_sign_of_life() -> None:
    now = Now()
    kept = history(now=now)
    now.seconds += 5
    assert kept.silence == 5
    kept.heard()
    assert kept.silence == 0


@pytest.mark.parametrize("make", [history, MemoryBackend])
@pytest.mark.parametrize(
    ("bounds", "error", "rule"),
    [
        ({"max_events": 0}, ValueError, "max_events must be 1 or above"),
        ({"max_events": 1.5}, TypeError, "max_events must be an int"),
        ({"max_events": True}, TypeError, "max_events must be an int"),
        ({"max_bytes": -1}, ValueError, "max_bytes must be 1 or above"),
        ({"max_bytes": None}, TypeError, "max_bytes must be an int"),
        ({"max_age": 0}, ValueError, "max_age must be above 0"),
        ({"max_age": float("inf")}, ValueError, "max_age must be above 0"),
        ({"max_age": float("nan")}, ValueError, "max_age must be above 0"),
        ({"max_age": "1"}, TypeError, "max_age must be a number"),
        ({"max_age": True}, TypeError, "max_age must be a number"),
    ],
)
def test_bound_that_is_none_is_refused(
    make: Any, bounds: dict[str, Any], error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        make(**bounds)
