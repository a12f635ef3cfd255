"""Time that passes when the test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
import trio.testing

from sse_asgi import CloseReason, Connection, EventSourceApp, StreamSummary
from sse_asgi.testing import StreamTimeout, VirtualClock, connect, settle

pytestmark = pytest.mark.anyio


async def silent(connection: Connection) -> AsyncIterator[str]:
    """Send one event and nothing more."""
    yield "hello"
    await anyio.sleep_forever()


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock = VirtualClock(start=100)
    woken = []

    async def sleeper(deadline: float) -> None:
        await clock.sleep_until(deadline)
        woken.append((deadline, clock.now()))

    async with anyio.create_task_group() as tasks:
        for deadline in (103, 101, 102, 99, 110):
            tasks.start_soon(sleeper, deadline)
        await clock.advance(5)
        assert woken == [(99, 100), (101, 101), (102, 102), (103, 103)]
        assert clock.now() == 105
        await clock.advance(5)
        assert woken[-1] == (110, 110)


async def test_a_deadline_that_is_set_on_the_way_is_kept() -> None:
    clock = VirtualClock()
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep_until(clock.now() + 1)
            ticks.append(clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ticker)
        await clock.advance(3.5)
        assert ticks == [1, 2, 3]
        await clock.advance(0.5)
        assert ticks == [1, 2, 3, 4]
        tasks.cancel_scope.cancel()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = VirtualClock()
    woken = []

    async def sleeper(deadline: float) -> None:
        await clock.sleep_until(deadline)
        woken.append(deadline)

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(sleeper, 1)
            await settle()
            for deadline in (3, 2):
                tasks.start_soon(sleeper, deadline)
                await settle()
            cancelled.cancel_scope.cancel()
        await clock.advance(2.5)
        assert woken == [2]
        await clock.advance(2.5)
        assert woken == [2, 3]


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
async def test_time_goes_neither_back_nor_on_without_end(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be 0 or above"):
        await VirtualClock().advance(seconds)


async def test_settle_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sse_asgi.testing.clock.SETTLE_TIMEOUT", 0.05)

    async def busy() -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        with pytest.raises(TimeoutError):
            await settle()
        tasks.cancel_scope.cancel()


async def test_keep_alive_can_be_tested_without_waiting() -> None:
    with VirtualClock() as clock:
        async with connect(EventSourceApp(silent, ping=15)) as events:
            await events.receive()
            await clock.advance(14.9)
            assert events.comments == ()
            await clock.advance(0.1)
            assert len(events.comments) == 1
            await clock.advance(30)
            assert len(events.comments) == 3


async def test_a_lifetime_and_its_jitter_can_be_tested_without_waiting() -> None:
    app = EventSourceApp(silent, max_lifetime=100, ping=None)
    with VirtualClock() as clock:
        async with connect(app) as events:
            await events.receive()
            await clock.advance(79)
            with pytest.raises(StreamTimeout):
                await events.closed(timeout=0.01)
            await clock.advance(21)
            await events.closed()


async def test_a_send_timeout_can_be_tested_without_waiting() -> None:
    summaries: list[StreamSummary] = []
    app = EventSourceApp(silent, ping=15, send_timeout=30, on_close=summaries.append)
    with VirtualClock() as clock:
        async with connect(app) as events:
            await events.receive()
            events.pause()
            await clock.advance(15)
            await events.blocked()
            await clock.advance(29)
            assert summaries == []
            await clock.advance(1)
            await events.returned()
    assert [summary.reason for summary in summaries] == [CloseReason.SLOW_CLIENT]


async def test_two_streams_go_by_one_clock() -> None:
    app = EventSourceApp(silent, ping=10)
    with VirtualClock() as clock:
        async with connect(app) as first, connect(app) as second:
            await clock.advance(25)
            assert len(first.comments) == len(second.comments) == 2


async def test_the_event_loop_s_own_clock_is_back_after_the_block() -> None:
    app = EventSourceApp(silent, ping=0.01)
    with VirtualClock():
        pass
    async with connect(app) as events:
        await events.receive()
        await events.receive_comment()


class TestMockClock:
    """trio has a clock of its own for tests, for everything that runs on it."""

    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, object]]:
        """Run on trio, whose time jumps whenever every task waits."""
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}

    async def test_an_hour_of_pings_takes_no_time(self) -> None:
        async with connect(EventSourceApp(silent, ping=15), timeout=10_000) as events:
            await events.receive()
            await anyio.sleep(3600)
            assert len(events.comments) in (239, 240)
