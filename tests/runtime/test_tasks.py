"""On asyncio a task counts its cancellations: ours are taken off, those of others are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import get_cancelled_exc_class

from sse_asgi import Connection, EventSourceApp, EventStream
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import settle
from tests.harness import ON_ASYNCIO, Peer, http_scope, serving

pytestmark = pytest.mark.anyio


async def waiting() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def cleaning_up() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)


async def failing() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        raise LookupError("in its finally")


async def swallowing() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    except get_cancelled_exc_class():
        return


@ON_ASYNCIO
async def test_asyncio_s_own_timeout_around_the_app_works_too() -> None:
    peer = Peer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await EventStream(waiting)(http_scope(), peer.receive, peer.send)
    assert peer.ended
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@ON_ASYNCIO
@pytest.mark.parametrize("content", [waiting, cleaning_up, swallowing, failing])
@pytest.mark.parametrize("how", ["client leaves", "server stops"])
async def test_own_cancellations_leave_no_trace_on_the_task(
    content: Callable[[], AsyncIterator[str]], how: str
) -> None:
    counts: list[int] = []
    app = EventSourceApp(lambda connection: content())

    async def call(*arguments: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        counts.append(task.cancelling())
        await app(*arguments)
        counts.append(task.cancelling())
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        counts.append(task.cancelling())

    async with serving(call) as served:
        await settle()
        if how == "client leaves":
            served.peer.leave()
        else:
            app.drain()
        await served.returned()
    assert counts == [0, 0, 0]
    assert not served.task.cancelled


@ON_ASYNCIO
async def test_cancellation_by_the_server_is_not_lost_among_our_own() -> None:
    counts: list[int] = []

    async def call(*arguments: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await EventStream(waiting)(*arguments)
        finally:
            counts.append(task.cancelling())

    async with serving(call) as served:
        await settle()
        served.peer.leave()
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert counts == [1]


@ON_ASYNCIO
async def test_app_may_run_in_a_task_that_was_cancelled_before() -> None:
    peer = Peer()

    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # a clean-up that streams
            await EventStream(waiting)(http_scope(), peer.receive, peer.send)
        assert task.cancelling() == 1

    task = asyncio.ensure_future(call())
    await settle()
    peer.leave()
    await asyncio.wait_for(task, 5)
    assert not peer.ended


async def watching(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await connection.shutdown.wait()
    await anyio.sleep_forever()


@pytest.mark.anyio
async def test_cancellation_that_repeats_the_notice_is_not_raised_on_asyncio() -> None:
    app = EventSourceApp(watching, shutdown_grace=60)
    async with serving(app) as served:
        await settle()
        app.drain()
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.peer.ended
    assert served.task.cancelled is not LoopState.current().on_asyncio
