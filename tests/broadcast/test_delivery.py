"""A hub behind event streams: many clients, some of which stop reading, leave and come back."""

from __future__ import annotations

import tracemalloc
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.broadcast import Hub, MemoryBackend, Subscription
from sse_asgi.testing import connect, settle
from tests.harness import Peer, nothing_left, serving, until

from .engine import Engine, EngineBackend
from .reading import Reader, data, gaps

pytestmark = pytest.mark.anyio

CLIENTS = 1000
STUCK = 10
EVENTS = 40
SIZE = 10_000
EVENT = b"\ndata: x"

ONCE_EACH = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {}), pytest.param(("trio", {}), marks=pytest.mark.needs("trio"))],
    ids=["asyncio", "trio"],
)


class Counting(Peer):
    """A client that counts what it gets, and keeps none of it; it may stop reading."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__(on_send=None if reads else self._hang, turns=False)
        self.seen = 0
        self.reading = anyio.Event()

    async def _hang(self, number: int) -> None:
        if number > 2:  # the head and the first event it takes
            await self.reading.wait()

    async def send(self, message: dict[str, Any]) -> None:
        await super().send(message)
        self.seen += message.get("body", b"").count(EVENT)
        if len(self.messages) > 1:
            self.messages[1:] = [{**message, "body": b"."}]


@ONCE_EACH
async def test_clients_that_stop_reading_hold_up_nobody_and_cost_no_memory() -> None:
    hub = Hub(MemoryBackend(max_events=20))
    app = EventSourceApp(lambda connection: hub.subscribe("t"), send_timeout=None)
    peers = [Counting(reads=number >= STUCK) for number in range(CLIENTS)]
    stuck, others = peers[:STUCK], peers[STUCK:]
    async with nothing_left(), AsyncExitStack() as stack:
        for peer in peers:
            await stack.enter_async_context(serving(app, peer))
        await settle()
        tracemalloc.start()
        for number in range(EVENTS):
            await hub.publish("t", "x" * SIZE)
            await until(lambda n=number: all(peer.seen == n + 1 for peer in others))  # type: ignore[misc]
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert hub.snapshot().events == 20
        # The history, the one body that each of the stuck has with its server, and some change.
        assert held < (20 + STUCK + 10) * SIZE + CLIENTS * 1000
        assert all(peer.seen == 0 for peer in stuck)
        for peer in stuck:
            peer.reading.set()
        await until(lambda: all(peer.seen > 1 for peer in stuck))
        await settle()
        assert {peer.seen for peer in stuck} == {1 + 20}, (
            "the one on its way, then what is retained"
        )
        assert hub.snapshot().lost == STUCK * (EVENTS - 21)


async def test_slow_client_is_told_of_what_it_lost() -> None:
    hub = Hub(MemoryBackend(max_events=5))
    app = EventSourceApp(lambda connection: hub.subscribe("t"))
    async with connect(app) as events:
        await events.receive()
        events.pause()
        await hub.publish("t", "on its way")
        await settle()
        for number in range(10):
            await hub.publish("t", str(number))
        events.resume()
        received = [await events.receive() for _ in range(7)]
    assert data(received) == ["on its way", "5", "6", "7", "8", "9"]
    assert gaps(received) == [{"reason": "too-slow", "lost": 5}]


async def test_who_may_subscribe_is_asked_again_at_each_resume() -> None:
    hub = Hub()
    members = {"alice"}

    def private(connection: Connection) -> Subscription:
        if connection.query.get("user") not in members:
            raise Refusal(403, "members only")
        return hub.subscribe("private", last_event_id=connection.last_event_id)

    app = EventSourceApp(private)
    async with connect(app, "/?user=bob") as events:
        assert events.status == 403
    async with connect(app, "/?user=alice") as events:
        await events.receive()
    members.clear()
    async with connect(app, "/?user=alice", last_event_id=events.last_event_id) as events:
        assert events.status == 403


def in_memory(ring: int) -> Hub:
    return Hub()


def on_an_engine(ring: int) -> Hub:
    return Hub(EngineBackend(Engine(capacity=100_000), memory=ring))


class Churner:
    """A client that keeps leaving and coming back, and what it has had."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.gaps = 0
        self.connections = 0
        self.last_event_id: str | None = None

    async def run(self, hub: Hub, last: int, rng: Random) -> None:
        while last not in self.received:
            self.connections += 1
            reader = Reader(hub.subscribe("t", last_event_id=self.last_event_id))
            for _ in range(rng.randint(1, 6)):
                events = await reader.next()
                self.received += map(int, data(events))
                self.gaps += len(gaps(events))
                self.last_event_id = reader.last_event_id
                if last in self.received or rng.random() < 0.2:
                    break
            await reader.subscription.aclose()


@pytest.mark.parametrize("ring", [4096, 8])
@pytest.mark.parametrize("make", [in_memory, on_an_engine])
async def test_clients_that_come_and_go_lose_nothing_and_get_nothing_twice(
    make: Any, ring: int
) -> None:
    hub, count = make(ring), 1000
    rng = Random(7)
    clients = [Churner() for _ in range(20)]
    async with hub, anyio.create_task_group() as tasks:
        await settle()
        hub.position()
        ready = [Reader(hub.subscribe("t")) for _ in clients]
        for client, reader in zip(clients, ready, strict=True):
            await reader.next()
            client.last_event_id = reader.last_event_id
            await reader.subscription.aclose()
            tasks.start_soon(client.run, hub, count - 1, rng)
        for number in range(count):
            await hub.publish("t", str(number))
            if rng.random() < 0.3:
                await anyio.lowlevel.checkpoint()
    for client in clients:
        assert client.received == list(range(count)), "no hole, no duplicate, in order"
        assert client.gaps == 0
    assert sum(client.connections for client in clients) > 20 * 5


@pytest.mark.parametrize("while_sending", [False, True])
async def test_closing_a_subscription_ends_its_stream(while_sending: bool) -> None:
    hub = Hub()
    opened: list[Subscription] = []

    def follow(connection: Connection) -> Subscription:
        opened.append(hub.subscribe("t"))
        return opened[-1]

    async with connect(EventSourceApp(follow), window=100) as client:
        assert (await client.receive()).event == "position"
        if while_sending:
            client.pause()
            await hub.publish("t", "x" * 1000)
            await hub.publish("t", "y")
            await settle()
        await opened[-1].aclose()
        await settle()
        client.resume()
        if while_sending:
            assert (await client.receive()).data[0] == "x"
        await client.closed()
