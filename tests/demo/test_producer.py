"""The demo's signal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from sse_asgi import ServerSentEvent
from sse_asgi.demo.feed import Feed
from sse_asgi.demo.producer import Waves, produce

TIMEOUT = 5
PERIOD = 0.002
FOREVER = 1000.0


def data_of(event: ServerSentEvent) -> dict[str, Any]:
    return cast("dict[str, Any]", event.data)


@asynccontextmanager
async def producing(feed: Feed, *, linger: float) -> AsyncIterator[None]:
    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await produce(feed, period=PERIOD, linger=linger)

            tasks.start_soon(run)
            yield
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_waves_stay_within_their_bounds_and_move(noise: float) -> None:
    waves = Waves(lambda: noise)
    samples = [waves.at(n / 10) for n in range(600)]
    assert all(-1 <= value <= 1 for sample in samples for value in sample)
    for series in zip(*samples, strict=True):
        assert max(series) - min(series) > 0.5


@pytest.mark.anyio
async def test_one_event_serves_all_readers() -> None:
    feed = Feed()
    with feed.follow(None) as one, feed.follow(None) as other:
        async with producing(feed, linger=FOREVER):
            assert await anext(one) is await anext(other)


@pytest.mark.anyio
async def test_an_event_tells_the_time_the_values_and_the_open_connections() -> None:
    feed = Feed()
    with feed.follow(None) as reader, feed.follow(None):
        async with producing(feed, linger=FOREVER):
            events = [await anext(reader) for _ in range(3)]
    times = [data_of(event)["t"] for event in events]
    assert times == sorted(times)
    assert {event.event for event in events} == {"signal"}
    assert {data_of(event)["n"] for event in events} == {2}
    assert {len(data_of(event)["v"]) for event in events} == {3}


@pytest.mark.anyio
async def test_the_signal_goes_on_for_who_comes_back() -> None:
    feed = Feed()
    async with producing(feed, linger=FOREVER):
        with feed.follow(None) as reader:
            position = (await anext(reader)).id
        while feed.newest < 5:
            await feed.changed()
        with feed.follow(position) as reader:
            assert data_of(reader.welcome())["missed"] > 0
            assert (await anext(reader)).id == f"{feed.epoch}-2"


@pytest.mark.anyio
async def test_the_signal_rests_while_nobody_listens_and_wakes_with_the_next_client() -> None:
    feed = Feed()
    async with producing(feed, linger=0.0):
        await anyio.wait_all_tasks_blocked()
        assert feed.newest == 0
        with feed.follow(None) as reader:
            await anext(reader)
        newest = feed.newest
        with anyio.move_on_after(20 * PERIOD):
            await feed.changed()
        assert feed.newest == newest > 0
