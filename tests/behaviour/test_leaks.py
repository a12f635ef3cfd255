"""Streams that come and go leave nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import connect
from tests.harness import Peer, nothing_left, serve, serving, until

pytestmark = pytest.mark.anyio


async def endless(connection: Connection) -> AsyncIterator[str]:
    while True:
        yield "a"
        await anyio.sleep(0.001)


def endless_in_a_thread(connection: Connection) -> Iterator[str]:
    while True:
        yield "a"


async def short(connection: Connection) -> AsyncIterator[str]:
    yield "a"


async def failing(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    raise LookupError("x")


def refusing(connection: Connection) -> list[str]:
    raise Refusal(403)


async def leave(app: EventSourceApp) -> None:
    async with connect(app) as events:
        await events.receive()


async def drain(app: EventSourceApp) -> None:
    async with serving(app) as served:
        await until(lambda: served.peer.bodies)
        app.drain()
        await served.returned()


async def run_to_the_end(app: EventSourceApp) -> None:
    with suppress(LookupError):
        await serve(app)


Round = Callable[[EventSourceApp], Awaitable[None]]


@pytest.mark.parametrize(
    ("handler", "play", "rounds"),
    [
        (endless, leave, 200),
        (endless_in_a_thread, leave, 100),
        (endless, drain, 100),
        (short, run_to_the_end, 100),
        (failing, run_to_the_end, 50),
        (refusing, run_to_the_end, 50),
    ],
)
async def test_rounds_of_streams_leave_no_task_no_thread_and_no_growth(
    handler: Any, play: Round, rounds: int, caplog: Any
) -> None:
    caplog.set_level(100)  # its records would be the growth
    app = EventSourceApp(handler, max_connections=1, max_connections_per_client=1)
    async with nothing_left():
        for _ in range(20):
            await play(app)
        before = objects()
        for _ in range(rounds):
            await play(app)
        # The last deadlines, and the tasks that met them, go a little later.
        await until(lambda: objects() - before < rounds / 2)


def objects() -> int:
    """Count what is alive."""
    gc.collect()
    return len(gc.get_objects())


async def test_ended_stream_is_freed_without_the_garbage_collector() -> None:
    class Item:
        pass

    references: list[weakref.ref[Item]] = []

    async def content(connection: Connection) -> AsyncIterator[str]:
        item = Item()
        references.append(weakref.ref(item))
        yield "a"
        await anyio.sleep(0.001)
        yield repr(item)

    app = EventSourceApp(content)
    async with nothing_left():
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                await serve(app, Peer(turns=False))
            assert [reference() for reference in references] == [None] * 5
        finally:
            gc.enable()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": 0.05},
        {"key": "user:7", "expires_at": 4e9, "revalidate": lambda connection: True},
    ],
    ids=["plain", "window", "guarded"],
)
async def test_ended_streams_leave_no_garbage(options: Any) -> None:
    app = EventSourceApp(short, **options)
    await serve(app)
    gc.collect()
    gc.disable()
    try:
        # The timers may keep the last 64 until their time has come. trio leaves some itself.
        for _ in range(300):
            await serve(app)
        assert gc.collect() < 300 * 3
    finally:
        gc.enable()


async def test_event_loop_keeps_no_stream_that_has_ended() -> None:
    app = EventSourceApp(endless)
    for _ in range(10):
        await leave(app)
    state = LoopState.current()
    assert not state.sessions


async def test_memory_of_a_long_stream_does_not_grow() -> None:
    sizes: list[int] = []

    async def content(connection: Connection) -> AsyncIterator[str]:
        for number in range(20_000):
            if number in (2000, 19_999):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            yield "x" * 1000

    async def forget(message: Any) -> None:
        """Take a message."""

    peer = Peer()
    peer.send = forget  # type: ignore[method-assign]
    tracemalloc.start()
    try:
        await serve(EventSourceApp(content), peer)
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 100_000
