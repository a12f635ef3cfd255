"""Content that is no asynchronous generator is closed, too."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import EventStream
from sse_asgi.testing import connect
from tests.harness import nothing_left

pytestmark = pytest.mark.anyio


async def test_sync_generator_is_closed() -> None:
    log: list[str] = []

    def content() -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            log.append("closed")

    async with nothing_left(), connect(EventStream(content)) as events:
        await events.receive()
    assert log == ["closed"]


class NoAclose:
    """An asynchronous iterator without ``aclose``."""

    def __aiter__(self) -> NoAclose:
        return self

    async def __anext__(self) -> str:
        await anyio.sleep(0.001)
        return "a"


class AsyncClose(NoAclose):
    """One whose ``close`` is a coroutine function."""

    closed = 0

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed += 1


async def test_asynchronous_iterator_may_lack_aclose() -> None:
    async with nothing_left(), connect(EventStream(NoAclose())) as events:
        await events.receive()
    content = AsyncClose()
    async with connect(EventStream(content)) as events:
        await events.receive()
    assert content.closed == 1
