"""A client of many topics with a long backlog: all of it comes, in order, whatever happens."""

from __future__ import annotations

import re
from random import Random

import pytest
from anyio.lowlevel import checkpoint

from sse_asgi.broadcast import Hub, MemoryBackend, Subscription

pytestmark = pytest.mark.anyio

TOPICS = [str(number) for number in range(60)]
KEPT = 3000


def texts(subscription: Subscription) -> list[str]:
    """Take one batch; return the data of its events."""
    batch = subscription.take()
    body = b"" if batch is None else bytes(batch.body)
    return re.findall(r"^data: ?(.*)$", body.decode(), re.MULTILINE)


def numbers(subscription: Subscription) -> list[int]:
    """Take all that is ready, which must be entries."""
    found: list[int] = []
    while more := texts(subscription):
        found += map(int, more)
    return found


class Log:
    """Publishes numbers, each to a topic by chance."""

    def __init__(self, seed: int, kept: int = KEPT) -> None:
        self.hub = Hub(MemoryBackend(max_events=kept))
        self.count = 0
        self._random = Random(seed)

    def publish(self, count: int, topics: list[str] = TOPICS) -> None:
        for _ in range(count):
            self.hub.publish_sync(self._random.choice(topics), str(self.count))
            self.count += 1

    def follow(self) -> Subscription:
        subscription = self.hub.subscribe(*TOPICS, start="oldest")
        (position,) = texts(subscription)
        assert "missed" in position
        return subscription


@pytest.mark.parametrize("seed", range(5))
async def test_nothing_is_lost_while_others_publish_between_two_bites(seed: int) -> None:
    log, random = Log(seed), Random(seed)
    log.publish(2000)
    subscription, found = log.follow(), list[int]()
    while len(found) < 4000:
        found += map(int, texts(subscription))
        # Many topics have news at one time, a single one at another.
        log.publish(random.choice([0, 1, 90, 300]), random.choice([TOPICS, TOPICS[:1]]))
        if random.random() < 0.5:
            await checkpoint()
    found += numbers(subscription)
    assert found == list(range(log.count))


async def test_entries_that_were_passed_may_be_trimmed_between_two_bites() -> None:
    log = Log(seed=1)
    log.publish(KEPT)
    subscription = log.follow()
    found = [int(text) for text in texts(subscription) + texts(subscription)]
    assert len(found) == 1024
    log.publish(1000)  # as many are trimmed, and the lists of the topics are cut
    assert found + numbers(subscription) == list(range(KEPT + 1000))


async def test_the_gap_after_a_bite_says_how_many_entries_of_its_topics_were_lost() -> None:
    log = Log(seed=2)
    log.publish(KEPT)
    subscription = log.follow()
    assert len(texts(subscription)) == 512
    log.publish(KEPT)
    assert texts(subscription) == [f'{{"reason":"too-slow","lost":{KEPT - 512}}}']
    assert numbers(subscription) == list(range(KEPT, 2 * KEPT))


async def test_a_filter_chooses_from_every_entry_of_the_topics() -> None:
    log = Log(seed=3)
    log.publish(2000)
    subscription = log.hub.subscribe(
        *TOPICS, start="oldest", filter=lambda entry: entry.sequence % 3 == 0
    )
    texts(subscription)
    assert numbers(subscription) == list(range(2, 2000, 3))


async def test_large_entries_make_smaller_bites() -> None:
    hub = Hub()
    for number in range(200):
        hub.publish_sync(TOPICS[number % len(TOPICS)], f"{number} {'x' * 10_000}")
    subscription = hub.subscribe(*TOPICS, start="oldest")
    texts(subscription)
    found, bites = list[int](), 0
    while more := texts(subscription):
        found += [int(text.partition(" ")[0]) for text in more]
        bites += 1
    assert found == list(range(200))
    assert bites > 10
