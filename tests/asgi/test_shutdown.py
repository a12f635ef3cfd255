"""The server stops: content that watches says farewell, the rest is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from anyio import to_thread

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary, drain
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.shutdown import NOTICE_HOLDS
from sse_asgi.testing import VirtualClock, lifespan, settle

from .harness import Peer, Served, http_scope, nothing_left, only, serve, serving

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


async def test_error_of_the_farewell_is_an_error() -> None:
    async def handler(connection: Connection) -> AsyncIterator[str]:
        yield "a"
        await connection.shutdown.wait()
        raise LookupError("bye")

    closed: list[StreamSummary] = []
    peer = Peer()
    with pytest.raises(LookupError):
        async with serving(app_of(handler, closed), peer) as served:
            await settle()
            drain()
            await served.returned()
    assert only(closed).reason is CloseReason.ERROR
    assert peer.ended


async def test_reconnection_times_of_a_farewell_are_spread_over_their_range() -> None:
    app = EventSourceApp(waiting, farewell_retry=(1000, 1999))
    async with AsyncExitStack() as streams:
        served: list[Served] = [await streams.enter_async_context(serving(app)) for _ in range(50)]
        await settle()
        drain()
        for one in served:
            await one.returned()
    times = [int(one.peer.bodies[-1].split()[1]) for one in served]
    assert 1000 <= min(times) < 1200
    assert 1800 < max(times) <= 1999


async def test_farewell_without_a_reconnection_time_is_the_final_body_alone() -> None:
    async with serving(EventStream(waiting, farewell_retry=None)) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.bodies == [BLOCK]
    assert served.peer.ended


async def test_farewell_before_the_first_event_begins_the_response() -> None:
    async def late(connection: Connection) -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield "a"

    async with serving(app_of(late, [], retry=3)) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.status == 200
    assert served.peer.bodies == [b"retry: 3\n\n" + FAREWELL]
    assert served.peer.ended


async def test_farewell_ends_its_lines_as_the_stream_does() -> None:
    async with serving(app_of(waiting, [], separator="\r\n")) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.bodies[-1] == b"retry: 7\r\n\r\n"


async def test_stream_that_ended_by_itself_gets_no_reconnection_time() -> None:
    async def ending(connection: Connection) -> list[str]:
        return ["a"]

    assert (await serve(app_of(ending, []))).bodies == [BLOCK]


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


async def test_client_that_takes_nothing_more_does_not_keep_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.FAREWELL_TIMEOUT", 0.02)
    closed: list[StreamSummary] = []

    async def hang(number: int) -> None:
        if number > 2:
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        peer = Peer(on_send=hang)
        async with serving(app_of(waiting, closed), peer) as served:
            await clock.advance(1)
            drain()
            await clock.advance(0)
            await served.returned()
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert not peer.ended


async def test_final_body_of_a_farewell_that_hangs_is_interrupted() -> None:
    async def hang(number: int) -> None:
        if number > 3:  # the farewell's block
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        peer = Peer(on_send=hang)
        async with serving(app_of(watching, []), peer) as served:
            await clock.advance(1)
            drain()
            await clock.advance(1.999)
            assert not served.task.done
            await clock.advance(0.001)
            await served.returned()
    assert not peer.ended


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
