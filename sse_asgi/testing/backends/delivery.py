"""Checks: each event arrives once, whole and in its place."""

from __future__ import annotations

from random import Random

import anyio
import anyio.to_thread

from ...broadcast import Hub, Position
from ...wire import IsolatedBlock
from .checks import WAIT, Client, NewBackend, data, equal, gaps, running

__all__ = [
    "clients_that_come_and_go_lose_nothing",
    "each_name_and_each_byte_arrives",
    "each_thread_keeps_its_order",
    "events_arrive_in_order",
    "filtered_and_latest_events_are_replayed",
    "isolated_event_comes_alone",
    "position_is_that_of_the_newest_event",
    "token_is_published_once",
]


async def events_arrive_in_order(new_backend: NewBackend) -> None:
    """Events of two topics come in the order in which they were published, with rising IDs."""
    async with running(new_backend) as hub:
        client = Client(hub, "a", "b")
        await client.next()
        ids = [await hub.publish("ab"[number % 2], str(number)) for number in range(50)]
        events = await client.until("49")
        equal(data(events), [str(number) for number in range(50)], "the data")
        equal([event.id for event in events], ids, "the IDs that publish returned")
        positions = [Position.parse(found) for found in ids]
        equal(None in positions, False, "an ID that is no position")
        equal(sorted(positions, key=lambda found: found or ("", 0)), positions, "the order of IDs")


async def each_name_and_each_byte_arrives(new_backend: NewBackend) -> None:
    """A topic may have any name, a token any text, and an event any characters and any size."""
    texts = ["\x00 {} ' \" % \N{EURO SIGN} \N{SLIGHTLY SMILING FACE}", "x" * 200_000, "last"]
    topic = "topic {with} %s / \N{LATIN SMALL LETTER A WITH DIAERESIS}\n"
    async with running(new_backend) as hub:
        client = Client(hub, topic)
        await client.next()
        for text in texts:
            await hub.publish(topic, text, token=f'token "%s" {{x}}\n{text[:9]}')
        equal(data(await client.until("last")), texts, "the data")


async def isolated_event_comes_alone(new_backend: NewBackend) -> None:
    """An event with ``isolate`` is a block by itself, and stays marked (BREACH)."""
    async with running(new_backend) as hub:
        subscription = hub.subscribe("t")
        with anyio.fail_after(WAIT):
            await anext(subscription)
            for event in ("a", {"data": "secret", "isolate": True}, "b"):
                await hub.publish("t", event)
            batches = [await anext(subscription)]
            while not batches[-1].body.endswith(b"data: b\n\n"):
                batches.append(await anext(subscription))
        secret = [batch.body for batch in batches if b"secret" in batch.body]
        equal([type(body) for body in secret], [IsolatedBlock], "the blocks with the secret")
        kinds = [type(batch.body) is IsolatedBlock for batch in batches]
        equal(kinds.count(True), 1, "the number of isolated blocks")


async def token_is_published_once(new_backend: NewBackend) -> None:
    """A publication that is repeated with its token is in the log once, and has one ID."""
    async with running(new_backend) as hub:
        client = Client(hub, "t")
        await client.next()
        first = await hub.publish("t", "x", token="attempt")
        equal(await hub.publish("t", "x", token="attempt"), first, "the ID of the repetition")
        await hub.publish("t", "y", token="another")
        equal(data(await client.until("y")), ["x", "y"], "the data")


async def position_is_that_of_the_newest_event(new_backend: NewBackend) -> None:
    """The position, and the age of the last news, are those of a process that reads."""
    async with running(new_backend) as hub:
        client = Client(hub, "t")
        await client.next()
        published = await hub.publish("t", "x")
        await client.until("x")
        equal(hub.position(), published, "the position")
        equal(hub.snapshot().position, published, "the position of the snapshot")
        equal(hub.health() < WAIT, True, "news within the last seconds")


async def each_thread_keeps_its_order(new_backend: NewBackend) -> None:
    """Threads publish at once; the events of each stay in its order, and none is lost."""

    def publish(hub: Hub, thread: int) -> None:
        for number in range(25):
            hub.publish_sync("t", f"{thread} {number}", timeout=WAIT)

    async with running(new_backend) as hub:
        client = Client(hub, "t")
        await client.next()
        events: list[str] = []
        async with anyio.create_task_group() as tasks:
            for thread in range(8):
                tasks.start_soon(anyio.to_thread.run_sync, publish, hub, thread)
            while len(events) < 8 * 25:
                events += data(await client.next())
        for thread in range(8):
            mine = [text for text in events if text.startswith(f"{thread} ")]
            equal(mine, [f"{thread} {number}" for number in range(25)], f"thread {thread}")


async def filtered_and_latest_events_are_replayed(new_backend: NewBackend) -> None:
    """``filter`` and ``keep_latest`` hold for the events that a client missed."""
    async with running(new_backend) as hub:
        ids = [await hub.publish("t", {"event": "ab"[n % 2], "data": str(n)}) for n in range(40)]
        even = Client(hub, "t", last_event_id=ids[0], filter=lambda entry: entry.event.event == "a")
        wanted = [str(number) for number in range(2, 40, 2)]
        equal(data(await even.until("38")), wanted, "the filtered data")
        newest = Client(hub, "t", last_event_id=ids[0], keep_latest=lambda entry: entry.event.event)
        equal(data(await newest.until("39"))[-2:], ["38", "39"], "the newest of each key")


async def clients_that_come_and_go_lose_nothing(new_backend: NewBackend) -> None:
    """Clients leave and come back at random while events are published: no hole, no duplicate."""
    rng, count = Random(5), 300
    received: list[list[int]] = [[] for _ in range(5)]

    async def follow(hub: Hub, seen: str, numbers: list[int]) -> None:
        while count - 1 not in numbers:
            client = Client(hub, "t", last_event_id=seen)
            for _ in range(rng.randint(1, 6)):
                events = await client.next()
                equal(gaps(events), [], "the gaps")
                numbers += map(int, data(events))
                seen = client.last_event_id
                if count - 1 in numbers:
                    break
            await client.leave()

    async with running(new_backend) as hub:
        newcomer = Client(hub, "t")
        await newcomer.next()
        await newcomer.leave()
        async with anyio.create_task_group() as tasks:
            for numbers in received:
                tasks.start_soon(follow, hub, newcomer.last_event_id, numbers)
            for number in range(count):
                await hub.publish("t", str(number))
    for numbers in received:
        equal(numbers, [*range(count)], "the data of a client")
