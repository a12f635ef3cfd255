"""Keep-alive, timeouts and lifetimes, to the second, on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import VirtualClock

from .harness import HEAD_BODY, PING, Peer, only, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


def feed(*moments: float) -> Callable[[], AsyncGenerator[str, None]]:
    """Return content that gives an event at each of ``moments``, then waits for ever."""

    async def content() -> AsyncGenerator[str, None]:
        clock = LoopState.current().clock
        for moment in moments:
            await clock.sleep_until(moment)
            yield f"{moment:g}"
        await anyio.sleep_forever()

    return content


def event(moment: float) -> bytes:
    return f"data: {moment:g}\n\n".encode()


class Stuck(Peer):
    """A peer whose ``send`` blocks at one call, until it is let go."""

    def __init__(self, number: int) -> None:
        super().__init__(on_send=self._hold)
        self._number = number
        self.let_go = anyio.Event()

    async def _hold(self, number: int) -> None:
        if number == self._number:
            await self.let_go.wait()


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
    assert only(closed) == StreamSummary(CloseReason.SLOW_CLIENT, 0, 0, 10)


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
