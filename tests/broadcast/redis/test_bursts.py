"""Entries that come in bursts, and how they are read: without an engine."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi.broadcast.backends.redis.follower import Follower
from sse_asgi.broadcast.backends.redis.log import State
from sse_asgi.broadcast.backends.redis.record import Record
from sse_asgi.broadcast.log.entry import Entry, Position
from sse_asgi.broadcast.log.history import History

pytestmark = pytest.mark.anyio

TIP = 4
"""The log's tip when the follower begins."""


class ScriptedLog:
    """Answers as XREAD does: one that waits with the first entry of a burst.

    :param bursts: the number of entries in each burst
    """

    def __init__(self, *bursts: int) -> None:
        self._bursts = list(bursts)
        self.tip = self.read = TIP
        self.questions: list[float] = []
        self.publications = 0
        self.goes_on = False
        """With each answer a further entry comes."""

    async def tail(self, connection: object, sequence: int, seconds: float) -> list[Record] | None:
        self.questions.append(seconds)
        self.tip += self.goes_on
        assert sequence == self.read
        first = self.read + 1
        if seconds and self.read == self.tip and self._bursts:
            self.tip += self._bursts.pop(0)
            self.read = first
        else:
            self.read = self.tip
        return [_record(one) for one in range(first, self.read + 1)] or None

    def has_more(self, records: list[Record]) -> bool:
        return False

    async def check(self, connection: object, newest: object) -> State:
        return State("life", 0, self.tip, "life", {})


def _record(sequence: int) -> Record:
    entry = Entry(Position("life", sequence), "news", b"data: x\n\n")
    return Record(sequence, "life", f"token {sequence}", entry)


async def appended(log: Any, monkeypatch: pytest.MonkeyPatch, reads: int) -> list[int]:
    """Return how many entries each step added to the history."""
    history = History(max_events=100, max_bytes=10_000, complete=False)
    history.begin("life", TIP, TIP, [], stretch="life", ends={}, marks=[])
    follower = Follower(log, history, memory=(100, 10_000))
    steps: list[int] = []
    append = history.append

    def noted(*entries: Entry) -> None:
        steps.append(len(entries))
        append(*entries)

    monkeypatch.setattr(history, "append", noted)
    connection: Any = None
    for _ in range(reads):
        await follower.read(connection, 2.0)
    assert history.tip == log.read
    return steps


async def test_a_burst_after_a_burst_is_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    log = ScriptedLog(10, 10, 5)
    assert await appended(log, monkeypatch, 4) == [1, 9, 10, 5]


async def test_single_entries_cost_one_question_each(monkeypatch: pytest.MonkeyPatch) -> None:
    log = ScriptedLog(1, 1, 1, 1)
    assert await appended(log, monkeypatch, 4) == [1, 1, 1, 1]
    assert len(log.questions) == 4


async def test_bursts_that_are_over_are_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = ScriptedLog(3, 1, 1, 1)
    assert await appended(log, monkeypatch, 5) == [1, 2, 1, 1, 1]
    assert log.questions == [2.0, 2.0, 2.0, 0, 2.0, 2.0]


async def test_a_burst_of_this_process_is_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    log = ScriptedLog(10)
    log.publications = 10
    assert await appended(log, monkeypatch, 1) == [10]


async def test_entries_do_not_wait_for_a_burst_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = ScriptedLog()
    log.publications, log.goes_on = 2, True
    assert await appended(log, monkeypatch, 1) == [5]
    assert log.questions == [2.0, 0, 0, 0, 0]
