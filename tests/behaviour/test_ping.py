"""Keep-alive, to the second, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from operator import sub

import anyio
import pytest

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.testing import VirtualClock
from tests.harness import HEAD_BODY, PING, Peer, only, serving
from tests.timed import Stuck, event, feed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


async def test_ping_follows_each_interval_of_silence() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0), ping=15)) as served:
            await clock.advance(14.999)
            assert served.peer.bodies == [event(0)]
            await clock.advance(0.001)
            assert served.peer.bodies == [event(0), PING]
            await clock.advance(14.999)
            assert len(served.peer.bodies) == 2
            await clock.advance(0.001)
            assert served.peer.bodies == [event(0), PING, PING]


async def test_pings_of_many_streams_come_to_share_a_moment_and_are_never_late() -> None:
    with VirtualClock() as clock:
        async with AsyncExitStack() as stack:
            streams, times = [], []
            for _ in range(12):
                stream = EventStream(feed(0), ping=16)
                streams.append(await stack.enter_async_context(serving(stream)))
                await clock.advance(0.1)
            sent = [1] * len(streams)
            for _ in range(500):
                await clock.advance(0.1)
                now = [len(served.peer.bodies) for served in streams]
                times += [[clock.now(), *map(sub, now, sent)]] if now != sent else []
                sent = now
            assert sent == [4] * len(streams)
            assert len(times) <= 8, "moments, and not 36"
            for column in range(1, len(streams) + 1):
                moments = [row[0] for row in times if row[column]]
                assert all(14 <= later - former <= 16.1 for former, later in pairwise(moments))


@pytest.mark.parametrize("send_timeout", [None, 2, 30])
async def test_silence_is_counted_from_the_last_message(send_timeout: float | None) -> None:
    with VirtualClock() as clock:
        stream = EventStream(feed(0, 4, 7.5, 30), ping=10, send_timeout=send_timeout)
        async with serving(stream) as served:
            await clock.advance(17.499)
            assert served.peer.bodies == [event(0), event(4), event(7.5)]
            await clock.advance(0.001)
            assert served.peer.bodies[3:] == [PING]
            await clock.advance(10)
            assert served.peer.bodies[4:] == [PING]
            await clock.advance(12.499)
            assert served.peer.bodies[5:] == [event(30)]
            await clock.advance(0.001)
            assert served.peer.bodies[6:] == [PING]


async def test_ping_may_be_off() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0), ping=None)) as served:
            await clock.advance(1000)
            assert served.peer.bodies == [event(0)]


async def test_ping_follows_a_late_head_after_the_same_silence() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(), ping=15, start_timeout=2)) as served:
            await clock.advance(16.999)
            assert served.peer.bodies == [HEAD_BODY]
            await clock.advance(0.001)
            assert served.peer.bodies == [HEAD_BODY, PING]


async def test_ping_never_comes_while_a_message_is_on_its_way() -> None:
    with VirtualClock() as clock:
        peer = Stuck(3)
        async with serving(EventStream(feed(0, 5), ping=10, send_timeout=None), peer):
            await clock.advance(60)
            assert peer.bodies == [event(0)]
            assert peer.sends == 3
            peer.let_go.set()
            await clock.advance(0)
            assert peer.bodies == [event(0), event(5)]
            await clock.advance(10)
            assert peer.bodies == [event(0), event(5), PING]


async def test_event_waits_for_a_ping_that_is_on_its_way() -> None:
    with VirtualClock() as clock:
        peer = Stuck(3)
        async with serving(EventStream(feed(0, 12), ping=10), peer):
            await clock.advance(20)
            assert peer.bodies == [event(0)]
            peer.let_go.set()
            await clock.advance(0)
            assert peer.bodies == [event(0), PING, event(12)]


async def test_client_whose_send_blocks_delays_nobody_else_s_ping() -> None:
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            peers = [Stuck(3) if number % 2 else Peer() for number in range(10)]
            for peer in peers:
                tasks.start_soon(hold_open, peer)
            await clock.advance(50)
            for number, peer in enumerate(peers):
                assert peer.bodies[1:] == ([] if number % 2 else [PING] * 5)
            tasks.cancel_scope.cancel()


async def hold_open(peer: Peer) -> None:
    async with serving(EventStream(feed(0), ping=10, send_timeout=None), peer):
        await anyio.sleep_forever()


async def test_ping_that_fails_ends_the_stream() -> None:
    for error, reason in (
        (OSError("gone"), CloseReason.CLIENT_GONE),
        (RuntimeError("broken"), CloseReason.ERROR),
    ):
        closed: list[StreamSummary] = []

        async def fail(number: int, error: Exception = error) -> None:
            if number == 3:
                raise error

        with VirtualClock() as clock:
            stream = EventStream(feed(0), ping=10, on_close=closed.append)
            peer = Peer(on_send=fail)
            async with serving(stream, peer) as served:
                await clock.advance(10)
                assert only(closed).reason is reason
                if reason is CloseReason.ERROR:
                    assert peer.ended
                    with pytest.raises(RuntimeError, match="broken"):
                        await served.returned()
                else:
                    assert not peer.ended
                    await served.returned()


async def test_streams_share_one_task_that_keeps_their_time() -> None:
    running: list[int] = []
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                running.append(len(anyio.get_running_tasks()))
                for _ in range(5):
                    tasks.start_soon(hold_open, Peer())
                await clock.advance(30)
            tasks.cancel_scope.cancel()
    assert running[1] - running[0] == running[2] - running[1] + 1


async def test_ping_may_keep_its_cadence_whatever_else_is_sent() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(feed(0, 4, 9, 11), ping=5, ping_always=True)) as served:
            await clock.advance(4.999)
            assert served.peer.bodies == [event(0), event(4)]
            await clock.advance(10.001)
            expected = [event(0), event(4), PING, event(9), PING, event(11), PING]
            assert served.peer.bodies == expected


async def test_ping_may_be_an_item_that_is_made_each_time() -> None:
    with VirtualClock() as clock:
        stream = EventStream(
            feed(0), ping=5, ping_message=lambda: {"event": "ping", "data": clock.now()}
        )
        async with serving(stream) as served:
            await clock.advance(10)
            assert served.peer.bodies[1:] == [
                b"event: ping\ndata: 5.0\n\n",
                b"event: ping\ndata: 10.0\n\n",
            ]


@pytest.mark.parametrize("message", [lambda: 1 / 0, lambda: None])
async def test_ping_that_cannot_be_made_is_an_error(message: Callable[[], object]) -> None:
    closed: list[StreamSummary] = []
    with VirtualClock() as clock:
        stream = EventStream(feed(0), ping=5, ping_message=message, on_close=closed.append)
        async with serving(stream) as served:
            await clock.advance(5)
            with pytest.raises((ZeroDivisionError, TypeError)):
                await served.returned()
    assert served.peer.bodies == [event(0)]
    assert served.peer.ended
    assert only(closed).reason is CloseReason.ERROR


async def test_ping_that_is_stuck_is_let_go_with_its_stream() -> None:
    log: list[str] = []

    async def hang(number: int) -> None:
        if number == 3:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("let go")

    with VirtualClock() as clock:
        stream = EventStream(feed(0), ping=5, send_timeout=None)
        async with serving(stream), serving(stream, Peer(on_send=hang)) as served:
            await clock.advance(7)
            served.peer.leave()
            await served.returned()
            await clock.advance(0)
            assert log == ["let go"]
