"""The demo's signal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest

from sse_asgi import EventSourceApp, MessageEvent
from sse_asgi.broadcast import Hub, HubSnapshot
from sse_asgi.demo.signal import Broadcast
from sse_asgi.demo.waves import Waves
from sse_asgi.testing import EventClient, connect

TIMEOUT = 5
PERIOD = 0.002
FOREVER = 1000.0


class WatchedHub(Hub):
    """Tells how often its listeners were counted, as they are once in each period."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0
        self._changed = anyio.Event()

    def snapshot(self) -> HubSnapshot:
        self.counted += 1
        self._changed.set()
        self._changed = anyio.Event()
        return super().snapshot()

    async def periods(self, number: int) -> None:
        """Wait until some more periods have begun."""
        until = self.counted + number
        while self.counted < until:
            await self._changed.wait()


@asynccontextmanager
async def running(*, linger: float = FOREVER) -> AsyncIterator[tuple[Broadcast, WatchedHub]]:
    broadcast = Broadcast()
    broadcast.period, broadcast.linger = PERIOD, linger
    broadcast.hub = hub = WatchedHub()
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            yield broadcast, hub
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def listening(
    broadcast: Broadcast, last_event_id: str | None = None
) -> AsyncIterator[tuple[MessageEvent, EventClient]]:
    app = EventSourceApp(broadcast.follow)
    async with connect(app, last_event_id=last_event_id) as client:
        first = await client.receive()
        assert first.event == "position"
        yield first, client


def sequence(event: MessageEvent) -> int:
    return int(event.id.rpartition("-")[2])


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_waves_stay_within_their_bounds_and_move(noise: float) -> None:
    waves = Waves(lambda: noise)
    samples = [waves.at(n / 10) for n in range(600)]
    assert all(-1 <= value <= 1 for sample in samples for value in sample)
    for series in zip(*samples, strict=True):
        assert max(series) - min(series) > 0.5


@pytest.mark.anyio
async def test_one_event_serves_all_listeners() -> None:
    async with (
        running(linger=0) as (_, hub),
        aclosing(hub.subscribe("signal")) as one,
        aclosing(hub.subscribe("signal")) as two,
    ):
        for subscription in (one, two):
            await anext(subscription)  # its position
        assert await anext(one) is await anext(two)


@pytest.mark.anyio
async def test_an_event_tells_the_time_the_values_and_the_open_connections() -> None:
    async with (
        running(linger=0) as (broadcast, _),
        listening(broadcast),
        listening(broadcast) as (_, client),
    ):
        events = [await client.receive() for _ in range(3)]
    times = [event.json()["t"] for event in events]
    assert times == sorted(times)
    assert {event.event for event in events} == {"signal"}
    assert {len(event.json()["v"]) for event in events} == {3}
    assert events[-1].json()["n"] == 2


@pytest.mark.anyio
async def test_the_signal_goes_on_for_who_comes_back() -> None:
    async with running() as (broadcast, hub):
        async with listening(broadcast) as (_, client):
            seen = await client.receive()
        await hub.periods(4)
        async with listening(broadcast, seen.id) as (first, client):
            assert first.json()["missed"] >= 3
            assert sequence(await client.receive()) == sequence(seen) + 1


@pytest.mark.anyio
async def test_the_signal_rests_while_nobody_listens_and_wakes_with_the_next_client() -> None:
    async with running(linger=0) as (broadcast, hub):
        begin = hub.position()
        await hub.periods(20)
        assert hub.position() == begin
        async with listening(broadcast) as (_, client):
            await client.receive()
        await hub.periods(1)
        rest = hub.position()
        await hub.periods(20)
        assert hub.position() == rest != begin


@pytest.mark.anyio
async def test_the_log_keeps_the_last_minute_and_no_more() -> None:
    broadcast = Broadcast()
    begin = broadcast.hub.position()
    for _ in range(700):
        await broadcast.publish(0)
    assert broadcast.hub.snapshot().events == 600
    async with connect(EventSourceApp(broadcast.follow), last_event_id=begin) as client:
        gap, event = await client.receive(), await client.receive()
    assert (gap.event, gap.json()["reason"], sequence(gap)) == ("gap", "expired", 100)
    assert sequence(event) == 101
