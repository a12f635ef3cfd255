"""Checks: a topic begins once and ends once."""

from __future__ import annotations

from typing import Any

from ...broadcast import Hub
from ...errors import Refusal, SSEError, TopicEnded, TopicExists
from .checks import Client, NewBackend, data, equal, running

__all__ = [
    "ended_topic_takes_nothing_more",
    "last_event_may_be_repeated",
    "refused",
    "streams_end_with_their_topic",
    "topic_is_begun_once",
]


async def refused(hub: Hub, topic: str, error: type[SSEError], **options: Any) -> None:
    """Publish an event that the log has to refuse.

    :raises AssertionError: the log takes it
    """
    try:
        published = await hub.publish(topic, "more", **options)
    except error:
        return
    raise AssertionError(f"{topic!r} took an event as {published}, and did not raise {error}")


async def streams_end_with_their_topic(new_backend: NewBackend) -> None:
    """The streams of a topic end after its last event, and a client that has it stays away."""
    async with running(new_backend) as hub:
        client = Client(hub, "t")
        await client.next()
        ids = [await hub.publish("t", str(number)) for number in range(20)]
        last = await hub.publish("t", "last", last=True)
        wanted = [*map(str, range(20)), "last"]
        equal(data(await client.rest()), wanted, "the data")
        late = Client(hub, "t", last_event_id=ids[3])
        equal(data(await late.rest()), wanted[4:], "the data of a client that comes back")
        everything = Client(hub, "t", start="oldest")
        equal(data(await everything.rest()), wanted, "the data of a newcomer")
        try:
            events = await Client(hub, "t", last_event_id=last).next()
        except Refusal as exc:
            equal(exc.status, 204, "the status for a client that has the last event")
        else:
            raise AssertionError(f"a client that has the last event gets {events}")


async def ended_topic_takes_nothing_more(new_backend: NewBackend) -> None:
    """A topic that has ended refuses each event; other topics go on."""
    async with running(new_backend) as hub:
        await hub.publish("t", "last", last=True)
        for options in ({}, {"last": True}, {"token": "new"}):
            await refused(hub, "t", TopicEnded, **options)
        await hub.publish("u", "goes on")
        equal(data(await Client(hub, "t", start="oldest").rest()), ["last"], "the data")


async def last_event_may_be_repeated(new_backend: NewBackend) -> None:
    """The repetition of the last event, or of the first one, with its token is no error."""
    async with running(new_backend) as hub:
        for options in ({"first": True}, {"last": True}):
            token = f"attempt {options}"
            one, two = [await hub.publish("t", "x", token=token, **options) for _ in range(2)]
            equal(two, one, f"the ID of the repetition with {options}")


async def topic_is_begun_once(new_backend: NewBackend) -> None:
    """A topic that was begun, or has ended, cannot be begun again."""
    async with running(new_backend) as hub:
        await hub.publish("before", "x")
        await hub.publish("t", "begun", first=True)
        await refused(hub, "t", TopicExists, first=True)
        await hub.publish("t", "more")
        await hub.publish("t", "last", last=True)
        await refused(hub, "t", TopicExists, first=True)
        wanted = ["begun", "more", "last"]
        equal(data(await Client(hub, "t", start="oldest").rest()), wanted, "the data")
