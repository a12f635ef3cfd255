"""Timeouts and lifetimes, to the second, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import VirtualClock
from tests.harness import PING, only, serving
from tests.timed import Stuck, event, feed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


# The message that the client does not take: the head, the first event, the second, a ping.
@pytest.mark.parametrize(("number", "moment"), [(1, 0), (2, 0), (3, 3), (4, 7)])
@pytest.mark.parametrize("ping", [4, None])
async def test_client_that_does_not_take_a_message_is_slow(
    number: int, moment: float, ping: float | None
) -> None:
    if ping is None and number == 4:
        return  # there is no fourth message
    closed: list[StreamSummary] = []
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            async with aclosing(feed(0, 3)()) as items:
                async for item in items:
                    yield item
        finally:
            log.append("closed")

    with VirtualClock() as clock:
        stream = EventStream(content, ping=ping, send_timeout=9, on_close=closed.append)
        async with serving(stream, Stuck(number)) as served, serving(stream) as other:
            await clock.advance(moment + 8.999)
            assert not closed
            await clock.advance(0.001)
            await served.returned()
            assert only(closed).reason is CloseReason.SLOW_CLIENT
            assert only(closed).seconds == moment + 9
            assert log == ["closed"]
            assert not served.peer.ended
            assert not other.task.done


async def test_client_that_is_slow_to_take_a_late_head_is_slow() -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        stream = EventStream(feed(), start_timeout=1, send_timeout=9, on_close=closed.append)
        async with serving(stream, Stuck(1)) as served:
            await clock.advance(9.999)
            assert not closed
            await clock.advance(0.001)
            await served.returned()
    assert only(closed)[:4] == (CloseReason.SLOW_CLIENT, 0, 0, 10)
    assert (only(closed).error, only(closed).first_event) == (None, None)


async def test_client_may_take_its_time_without_a_send_timeout() -> None:
    with VirtualClock() as clock:
        peer = Stuck(2)
        async with serving(EventStream(feed(0), send_timeout=None), peer) as served:
            await clock.advance(1000)
            assert not served.task.done
            peer.let_go.set()
            await clock.advance(0)
            assert peer.bodies == [event(0)]


async def test_final_body_that_the_client_does_not_take_is_bounded() -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        stream = EventStream(["a"], send_timeout=9, on_close=closed.append)
        async with serving(stream, Stuck(3)) as served:
            await clock.advance(8.999)
            assert not served.task.done
            await clock.advance(1.001)
            await served.returned()
    assert only(closed).reason is CloseReason.COMPLETED
    assert not served.peer.ended


async def test_lifetime_ends_a_stream_after_80_to_100_percent_of_it() -> None:
    closed: list[StreamSummary] = []
    app = EventSourceApp(
        lambda connection: feed(0)(), max_lifetime=100, ping=None, on_close=closed.append
    )
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(ended_by_the_server, app)
            await clock.advance(79.999)
            assert not closed
            await clock.advance(20.001)
    lifetimes = [summary.seconds for summary in closed]
    assert len(lifetimes) == 40
    assert {summary.reason for summary in closed} == {CloseReason.LIFETIME}
    assert 80 <= min(lifetimes) < 85
    assert 95 < max(lifetimes) <= 100


async def ended_by_the_server(app: Any) -> None:
    async with serving(app) as served:
        await served.returned()
        assert served.peer.ended
        assert served.peer.bodies[1].startswith(b"retry: ")


async def test_content_that_watches_for_its_end_has_its_grace_at_the_end_of_its_lifetime() -> None:
    async def content(connection: Connection) -> AsyncIterator[str]:
        yield "a"
        await connection.shutdown.wait()
        yield "bye"
        await anyio.sleep_forever()

    closed: list[StreamSummary] = []
    stream = EventStream(
        content, max_lifetime=100, shutdown_grace=50, ping=20, on_close=closed.append
    )
    with VirtualClock() as clock:
        async with serving(stream) as served:
            await clock.advance(100)
            assert b"data: bye\n\n" in served.peer.body
            assert not closed
            before = served.peer.body.count(PING)
            await clock.advance(29)
            assert served.peer.body.count(PING) > before  # keep-alive goes on meanwhile
            await clock.advance(21)
            await served.returned()
    assert only(closed).reason is CloseReason.LIFETIME
    assert 130 <= only(closed).seconds <= 150
