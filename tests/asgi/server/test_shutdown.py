"""The server stops: content that watches says farewell, the rest is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from anyio import to_thread

from sse_asgi import CloseReason, Connection, EventSourceApp, StreamSummary, drain
from sse_asgi.asgi import Notice
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.server.shutdown import NOTICE_HOLDS
from sse_asgi.testing import VirtualClock, lifespan, settle
from tests.harness import ON_ASYNCIO, Peer, http_scope, nothing_left, only, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]

FAREWELL = b"retry: 7\n\n"
BLOCK = b"data: a\n\n"


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def watching(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await connection.shutdown.wait()
    yield "bye"


async def polling(connection: Connection) -> AsyncIterator[str]:
    clock = LoopState.current().clock
    yield "a"
    while not connection.shutdown.is_set():
        await clock.sleep_until(clock.now() + 0.5)
    yield "bye"


async def hesitating(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await connection.shutdown.wait()
    yield "bye"
    await anyio.sleep_forever()


def app_of(handler: Any, closed: list[StreamSummary], **options: Any) -> EventSourceApp:
    return EventSourceApp(handler, farewell_retry=(7, 7), on_close=closed.append, **options)


async def test_content_that_does_not_watch_is_cancelled_at_once() -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        async with serving(app_of(waiting, closed, shutdown_grace=60)) as served:
            await settle()
            drain()
            await clock.advance(0)
            await served.returned()
    assert served.peer.bodies == [BLOCK, FAREWELL]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert only(closed).seconds == 0


@pytest.mark.parametrize("handler", [watching, polling])
async def test_content_that_watches_may_say_farewell(handler: Any) -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        async with serving(app_of(handler, closed)) as served:
            await settle()
            drain()
            await clock.advance(0.5)
            await served.returned()
    assert served.peer.bodies == [BLOCK, b"data: bye\n\n", FAREWELL]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert only(closed).error is None


async def test_content_that_watches_is_cancelled_when_its_grace_is_over() -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        async with serving(app_of(hesitating, closed, shutdown_grace=3)) as served:
            await clock.advance(1)
            drain()
            await clock.advance(2.999)
            assert not served.task.done
            await clock.advance(0.001)
            await served.returned()
    assert served.peer.bodies == [BLOCK, b"data: bye\n\n", FAREWELL]
    assert only(closed).seconds == 4


async def test_content_that_watches_has_no_time_without_grace() -> None:
    with VirtualClock() as clock:
        async with serving(app_of(hesitating, [], shutdown_grace=0)) as served:
            await settle()
            drain()
            await clock.advance(0)
            await served.returned()


async def test_second_notice_does_not_prolong_the_grace() -> None:
    with VirtualClock() as clock:
        app = app_of(hesitating, [], shutdown_grace=3)
        async with serving(app) as served:
            await settle()
            drain()
            await clock.advance(2)
            drain()
            app.drain()
            await clock.advance(1)
            await served.returned()


async def test_new_streams_end_at_once_for_some_seconds_after_a_notice() -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        drain()
        await clock.advance(NOTICE_HOLDS - 0.1)
        async with serving(app_of(waiting, closed)) as served:
            await clock.advance(0.05)  # its first message is on its way
            await served.returned()
        assert served.peer.bodies[-1] == FAREWELL
        assert served.peer.ended
        assert closed.pop().reason is CloseReason.SERVER_STOPPING
        await clock.advance(0.05)
        async with serving(app_of(waiting, closed)) as served:
            await clock.advance(0)
            assert not served.task.done


async def test_app_drains_its_own_streams_and_no_others() -> None:
    mine, other = app_of(waiting, []), app_of(waiting, [])
    async with serving(mine) as served, serving(other) as stays:
        await settle()
        mine.drain()
        await served.returned()
        await settle()
        assert not stays.task.done
        async with serving(mine) as new:
            await settle()
            assert not new.task.done


async def test_app_drains_from_any_thread() -> None:
    app = app_of(waiting, [])
    async with serving(app) as served:
        await settle()
        await to_thread.run_sync(app.drain)
        await served.returned()
    assert served.peer.bodies == [BLOCK, FAREWELL]


@ON_ASYNCIO
async def test_drain_may_be_a_callback_of_the_event_loop() -> None:
    import asyncio
    from contextvars import Context

    async with serving(app_of(waiting, [])) as served:
        await settle()
        asyncio.get_running_loop().call_soon(drain, context=Context())
        await served.returned()
    assert served.peer.bodies == [BLOCK, FAREWELL]


def test_drain_outside_an_event_loop_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        drain()


@pytest.mark.parametrize("then", [anyio.sleep_forever, anyio.lowlevel.checkpoint, None])
async def test_content_may_drain_its_own_loop(then: Any) -> None:
    closed: list[StreamSummary] = []

    async def handler(connection: Connection) -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep(0.001)
        drain()
        if then is not None:
            await then()

    async with nothing_left(), serving(app_of(handler, closed)) as served:
        await served.returned()
    assert served.peer.bodies == [BLOCK, FAREWELL]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING


async def test_lifespan_that_ends_stops_the_streams_of_its_app() -> None:
    app = app_of(waiting, [])
    async with AsyncExitStack() as streams:
        async with lifespan(app):
            served = await streams.enter_async_context(serving(app))
            await settle()
        await served.returned()
    assert served.peer.bodies == [BLOCK, FAREWELL]


async def test_notice_may_be_waited_for_by_many_and_after_it_was_given() -> None:
    log: list[str] = []

    async def handler(connection: Connection) -> AsyncIterator[str]:
        async def watch(name: str) -> None:
            await connection.shutdown.wait()
            log.append(name)

        yield "a"
        assert not connection.shutdown.is_set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, "1")
            tasks.start_soon(watch, "2")
        await watch("3")
        assert connection.shutdown.is_set()

    async with serving(app_of(handler, [])) as served:
        await settle()
        drain()
        await served.returned()
    assert sorted(log) == ["1", "2", "3"]


async def test_notice_that_was_given_need_not_be_waited_for() -> None:
    notice = Notice()
    notice.give()
    assert not notice.is_watched
    with anyio.fail_after(1):
        await notice.wait()
    assert notice.is_set()
    assert notice.is_watched


async def test_cancellation_that_follows_the_notice_ends_the_grace() -> None:
    closed: list[StreamSummary] = []
    async with nothing_left(), serving(app_of(hesitating, closed, shutdown_grace=60)) as served:
        await settle()
        drain()
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.peer.bodies == [BLOCK, b"data: bye\n\n", FAREWELL]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING


async def test_drain_without_streams_does_nothing() -> None:
    app = app_of(waiting, [])
    app.drain()
    async with nothing_left():
        drain()
        peer = Peer()
        await app(http_scope(method="HEAD"), peer.receive, peer.send)
        app.drain()
