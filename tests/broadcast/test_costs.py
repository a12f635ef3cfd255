"""The work for an event depends on the subscribers that get it: lines are counted, and no time."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from sse_asgi.broadcast import Entry, Hub, MemoryBackend, Subscription
from sse_asgi.testing import settle

from .engine import Engine, EngineBackend
from .reading import Reader, data

pytestmark = pytest.mark.anyio


def steps(function: Callable[[], object]) -> int:
    """Count the lines of Python that a call takes, also in the functions that it calls."""
    count, former = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(former)
    return count


def people(hub: Hub, count: int, topics: int = 1) -> list[Subscription]:
    """Subscribe to a common topic and to ``topics`` others, for each of so many people."""
    made = [
        hub.subscribe("everybody", *(f"{person} {topic}" for topic in range(topics)))
        for person in range(count)
    ]
    for subscription in made:
        while subscription.take() is not None:  # where it stands
            pass
    return made


@pytest.mark.parametrize("topic", ["everybody", "7 0"])
async def test_publishing_takes_the_same_steps_however_many_sets_of_topics_there_are(
    topic: str,
) -> None:
    taken = []
    for count in (10, 1000):
        hub = Hub()
        kept = people(hub, count)
        taken.append(steps(lambda hub=hub: hub.publish_sync(topic, "x")))  # type: ignore[misc]
        assert len(kept) == hub.snapshot().subscribers
    assert taken[0] == taken[1]


async def test_publishing_takes_the_same_steps_however_many_topics_each_client_follows() -> None:
    taken = []
    for topics in (1, 500):
        hub = Hub()
        kept = people(hub, 3, topics)
        taken.append(steps(lambda hub=hub: hub.publish_sync("everybody", "x")))  # type: ignore[misc]
        assert len(kept) == 3
    assert taken[0] == taken[1]


@pytest.mark.parametrize("topic", ["everybody", "1 0"])
async def test_delivery_takes_the_same_steps_however_many_topics_the_client_follows(
    topic: str,
) -> None:
    taken = []
    for topics in (1, 500):
        hub = Hub()
        kept = people(hub, 3, topics)
        hub.publish_sync(topic, "x")
        taken.append(steps(kept[1].take))
        assert kept[1].take() is None
    assert taken[0] == taken[1]


async def test_a_bite_of_a_backlog_takes_as_many_steps_however_many_topics_it_has() -> None:
    taken = []
    for topics in (40, 800):
        hub = Hub()
        for number in range(4000):
            hub.publish_sync(str(number % topics), "x")
        subscription = hub.subscribe(*map(str, range(topics)), start="oldest")
        subscription.take()  # where it stands
        subscription.take()  # the first bite finds the place in each topic
        taken.append(steps(subscription.take))
        assert subscription.backlog == 4000 - 2 * 512
    assert taken[1] < 1.5 * taken[0], "not 20 times as many topics, 20 times as many steps"


async def test_clients_of_a_topic_that_has_no_news_are_not_looked_at() -> None:
    hub = Hub()
    kept = people(hub, 1000)
    hub.publish_sync("5 0", "x")
    (feeds,) = hub._feeds.values()
    taken = steps(feeds.advance)
    assert taken < 1000, "fewer than one step for each of the others"
    assert kept[5].take() is not None


async def test_keep_latest_beyond_memory_chooses_once_for_the_whole_backlog() -> None:
    engine, keys, count = Engine(capacity=10_000), 10, 2000
    seen: list[int] = []

    def key(entry: Entry) -> int:
        seen.append(entry.sequence)
        return entry.sequence % keys

    async with Hub(EngineBackend(engine)) as hub:
        ids = [await hub.publish("t", str(number)) for number in range(count)]
        reader = Reader(hub.subscribe("t", last_event_id=ids[0], keep_latest=key))
        events = await reader.until(lambda event: event.data == str(count - 1))
    assert engine.reads > 3, "several pages"
    assert data(events) == [str(number) for number in range(count - keys, count)]
    assert seen == list(range(2, count + 1)), "each entry is looked at once"


@pytest.mark.parametrize("is_closed", [True, False])
async def test_hub_that_is_dropped_is_freed_while_its_event_loop_goes_on(is_closed: bool) -> None:
    hub = Hub(MemoryBackend())
    subscription = hub.subscribe("t")
    await anext(subscription)
    await hub.publish("t", "x")
    await anext(subscription)
    await settle()
    if is_closed:
        await subscription.aclose()
    kept = weakref.ref(hub), weakref.ref(hub.history), weakref.ref(subscription)
    del hub, subscription
    gc.collect()
    assert [one() for one in kept] == [None, None, None]


async def test_hub_that_was_stopped_and_dropped_is_freed() -> None:
    hub = Hub(EngineBackend(Engine()))
    async with hub:
        await hub.publish("t", "x")
    await settle()
    kept = weakref.ref(hub), weakref.ref(hub.history)
    del hub
    gc.collect()
    assert [one() for one in kept] == [None, None]
