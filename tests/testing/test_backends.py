"""The checks of backends pass a log that keeps its promises, and no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from examples.sqlite_backend import SQLiteBackend
from sse_asgi.broadcast import MemoryBackend, Position
from sse_asgi.errors import SSEError
from sse_asgi.testing.backends import CHECKS, SHARED_CHECKS, NewBackend

pytestmark = pytest.mark.anyio

Check = Callable[[NewBackend], Awaitable[None]]
BY_NAME: dict[str, Check] = {check.__name__: check for check in (*CHECKS, *SHARED_CHECKS)}


class Faulty(MemoryBackend):
    """A log in memory that does one thing wrong."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self._fault = fault

    def publish_nowait(self, topic: str, block: bytes, token: str | None, **marks: Any) -> Position:
        if self._fault == "forgets tokens":
            token = None
        if self._fault == "forgets isolation":
            block = bytes(block)
        if self._fault == "forgets ends":
            marks.pop("last", None)
        if self._fault == "forgets beginnings":
            marks.pop("first", None)
        if self._fault == "keeps events twice":
            super().publish_nowait(topic, block, None)
        if self._fault == "mixes events up" and self.history.tip % 7 == 3:
            block = b"data: 1 0\n\n"
        position = super().publish_nowait(topic, block, token, **marks)
        return Position("other", position.sequence) if self._fault == "gives IDs" else position


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("forgets tokens", "token_is_published_once"),
        ("forgets tokens", "last_event_may_be_repeated"),
        ("forgets isolation", "isolated_event_comes_alone"),
        ("forgets ends", "ended_topic_takes_nothing_more"),
        ("forgets beginnings", "topic_is_begun_once"),
        ("keeps events twice", "events_arrive_in_order"),
        ("keeps events twice", "each_id_resumes_without_a_hole"),
        ("keeps events twice", "clients_that_come_and_go_lose_nothing"),
        ("keeps events twice", "filtered_and_latest_events_are_replayed"),
        ("mixes events up", "each_thread_keeps_its_order"),
        ("gives IDs", "position_is_that_of_the_newest_event"),
        ("gives IDs", "foreign_id_is_a_gap"),
        ("shares nothing", "token_counts_in_each_process"),
        ("shares nothing", "one_of_many_begins_a_topic"),
    ],
)
async def test_check_finds_a_broken_promise(fault: str, name: str) -> None:
    with pytest.raises((AssertionError, SSEError, ValueError, ExceptionGroup)):
        await BY_NAME[name](lambda: Faulty(fault))


@pytest.mark.parametrize("check", BY_NAME.values(), ids=BY_NAME)
async def test_log_in_sqlite_keeps_its_promises(check: Check, tmp_path: Path) -> None:
    await check(lambda: SQLiteBackend(tmp_path / "log", memory_events=8, poll=0.02))
