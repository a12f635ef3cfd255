"""Checks: processes that open one log have the same events. Here each is a hub."""

from __future__ import annotations

import anyio

from ...broadcast import Hub
from ...errors import TopicEnded, TopicExists
from .checks import Client, NewBackend, data, equal, running
from .topics import refused

__all__ = [
    "event_reaches_the_other_process",
    "late_process_has_the_earlier_events",
    "one_of_many_begins_a_topic",
    "processes_agree_on_one_order",
    "token_counts_in_each_process",
    "topic_ends_in_each_process",
]


async def event_reaches_the_other_process(new_backend: NewBackend) -> None:
    """The events that one process publishes reach a client of another, with the same IDs."""
    async with running(new_backend) as one, running(new_backend) as other:
        client = Client(other, "t")
        await client.next()
        ids = [await one.publish("t", str(number)) for number in range(50)]
        events = await client.until("49")
        equal(data(events), [str(number) for number in range(50)], "the data")
        equal([event.id for event in events], ids, "the IDs")


async def processes_agree_on_one_order(new_backend: NewBackend) -> None:
    """Processes that publish at once make one order, in which each event is once."""

    async def publish(hub: Hub, name: str) -> None:
        for number in range(25):
            await hub.publish("t", f"{name} {number}")

    async with running(new_backend) as one, running(new_backend) as other:
        clients = [Client(hub, "t") for hub in (one, other)]
        for client in clients:
            await client.next()
        async with anyio.create_task_group() as tasks:
            for name in range(8):
                tasks.start_soon(publish, (one, other)[name % 2], f"{name}")
        await one.publish("t", "last")
        first, second = [
            [(event.id, event.data) for event in await client.until("last")] for client in clients
        ]
        equal(second, first, "the events of the second process")
        equal(len(set(first)), 8 * 25 + 1, "the number of events")


async def late_process_has_the_earlier_events(new_backend: NewBackend) -> None:
    """A process that starts later replays the events of before, however little it remembers."""
    async with running(new_backend) as one:
        ids = [await one.publish("t", str(number)) for number in range(100)]
        async with running(new_backend) as late:
            client = Client(late, "t", last_event_id=ids[9])
            wanted = [str(number) for number in range(10, 100)]
            equal(data(await client.until("99")), wanted, "the data")


async def token_counts_in_each_process(new_backend: NewBackend) -> None:
    """A publication that another process repeats with its token is in the log once."""
    async with running(new_backend) as one, running(new_backend) as other:
        first = await one.publish("t", "x", token="attempt")
        equal(await other.publish("t", "x", token="attempt"), first, "the ID of the repetition")


async def topic_ends_in_each_process(new_backend: NewBackend) -> None:
    """A topic that one process ends ends for the clients and publishers of another."""
    async with running(new_backend) as one, running(new_backend) as other:
        client = Client(other, "t")
        await client.next()
        await one.publish("t", "last", last=True)
        equal(data(await client.rest()), ["last"], "the data")
        await refused(other, "t", TopicEnded)


async def one_of_many_begins_a_topic(new_backend: NewBackend) -> None:
    """Of many that begin a topic at once, in two processes, one succeeds."""
    begun: list[str] = []

    async def begin(hub: Hub) -> None:
        try:
            begun.append(await hub.publish("t", "begun", first=True))
        except TopicExists:
            return

    async with running(new_backend) as one, running(new_backend) as other:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(begin, (one, other)[number % 2])
        equal(len(begun), 1, "the number that succeeded")
