"""Checks: a client that comes back gets each event that it missed, or a gap."""

from __future__ import annotations

from ...broadcast import Position
from .checks import Client, NewBackend, data, equal, gaps, running

__all__ = [
    "each_id_resumes_without_a_hole",
    "first_event_resumes_a_client",
    "foreign_id_is_a_gap",
]


async def each_id_resumes_without_a_hole(new_backend: NewBackend) -> None:
    """The ID of any event resumes a subscription to any topics."""
    async with running(new_backend) as hub:
        ids = [await hub.publish("abc"[number % 3], str(number)) for number in range(30)]
        for index, last_event_id in enumerate(ids[:-3]):
            for topics in (("c",), ("c", "a"), ("b", "c", "a")):
                client = Client(hub, *topics, last_event_id=last_event_id)
                wanted = [str(n) for n in range(index + 1, 30) if "abc"[n % 3] in topics]
                equal(data(await client.until("29")), wanted, f"{topics} after event {index}")
                await client.leave()


async def first_event_resumes_a_client(new_backend: NewBackend) -> None:
    """A client that saw nothing but its ``position`` gets the events that followed."""
    async with running(new_backend) as hub:
        client = Client(hub, "t")
        (first,) = await client.next()
        await client.leave()
        await hub.publish("t", "missed")
        again = Client(hub, "t", last_event_id=first.id)
        equal(data(await again.until("missed")), ["missed"], "the data")


async def foreign_id_is_a_gap(new_backend: NewBackend) -> None:
    """An ID of another log, or of none, is a gap. All events that are left follow."""
    async with running(new_backend) as hub:
        ids = [await hub.publish("t", str(number)) for number in range(20)]
        position = Position.parse(ids[-1])
        if position is None:
            raise AssertionError(f"the ID {ids[-1]!r} is no position")
        epoch, sequence = position
        for foreign, reason in (
            (f"other-{sequence}", "reset"),
            (f"{epoch}-{sequence + 1000}", "unknown"),
            (f"{epoch}-{sequence}x", "unknown"),
            ("\N{SNOWMAN}" * 10_000, "unknown"),
        ):
            client = Client(hub, "t", last_event_id=foreign)
            events = await client.until("19")
            equal(gaps(events), [{"reason": reason, "lost": None}], f"the gap after {foreign[:40]}")
            equal(data(events), [str(number) for number in range(20)], "the data after the gap")
            await client.leave()
