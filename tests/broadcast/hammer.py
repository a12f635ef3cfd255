"""Threads that hammer on one hub: publishers, subscribers of three event loops, and signals.

::

    python -m tests.broadcast.hammer [events of each publisher]

The interpreter changes threads every few microseconds here, so that a race shows that otherwise
comes once in years. Each publisher numbers its events. A follower reads to the end of its topics,
and fails if an event is missing, doubled or out of order and no gap says so. Visitors come and go,
some of them closed by another thread. A signal handler publishes, too. The program fails if a
follower still waits when the topics have long ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import anyio
import anyio.lowlevel
from anyio.from_thread import BlockingPortal, start_blocking_portal

from sse_asgi import EventDecoder, EventSourceApp, MessageEvent, TopicExists
from sse_asgi.broadcast import Hub, MemoryBackend, Subscription
from sse_asgi.testing import connect

_INTERVAL: Final = 2e-6
"""Seconds after which the interpreter changes to another thread."""

_BACKENDS: Final = ("asyncio", "asyncio", "trio")
_PUBLISHERS: Final = 4
_FOLLOWERS: Final = 3
_TOPICS: Final = ("a", "b", "c")
_SIGNALS: Final = "signals"
_LIMIT: Final = 50.0
"""Seconds after the start at which whatever still waits has failed."""


class Follower:
    """Checks what one client gets: the numbers of each publisher, in order."""

    def __init__(self) -> None:
        self.events = 0
        self.gaps = 0
        self._last: dict[str, int] = {}
        self._sequence = 0

    def read(self, event: MessageEvent) -> None:
        """Check one event."""
        if event.event == "gap":
            self.gaps += 1
            self._last.clear()
        elif event.event == "message":
            self.events += 1
            source, number = event.data.split()
            self._check(source, number, event.id)

    def _check(self, source: str, number: str, place: str) -> None:
        sequence = int(place.partition("-")[2])
        assert sequence > self._sequence, f"{sequence} came after {self._sequence}"
        self._sequence = sequence
        expected = self._last.get(source, int(number) - 1) + 1
        assert int(number) == expected, f"{source} sent {expected}, but {number} came"
        self._last[source] = int(number)


class Hammer:
    """One hub, and the threads that use it.

    :param count: the events of each publisher
    """

    def __init__(self, count: int) -> None:
        self.hub = Hub(MemoryBackend(max_events=1024))
        self.app = EventSourceApp(lambda c: self._subscribe(c.last_event_id))
        self._count = count
        self._begun = threading.Semaphore(0)
        self._published = threading.Event()
        self.begun: list[str] = []

    def _subscribe(self, last_event_id: str | None = None) -> Subscription:
        return self.hub.subscribe(*_TOPICS, _SIGNALS, last_event_id=last_event_id)

    # -- threads -----------------------------------------------------------------------------------

    def publish(self, thread: int) -> None:
        """Publish numbered events, and some on topics that are soon forgotten."""
        for number in range(self._count):
            self.hub.publish_sync(_TOPICS[number % len(_TOPICS)], f"{thread} {number}")
            if not number % 16:
                self.hub.publish_sync(f"short {thread} {number}", "x")
                self._begin(f"race {number}", thread)

    def _begin(self, topic: str, thread: int) -> None:
        try:
            self.hub.publish_sync(topic, f"{thread}", first=True)
        except TopicExists:
            return
        self.begun.append(topic)

    def signal(self) -> None:
        """Interrupt the main thread, until all is published."""
        while not self._published.wait(0.001):
            os.kill(os.getpid(), signal.SIGUSR1)

    def look(self) -> None:
        """Look at the hub and drain the application, until all is published."""
        while not self._published.wait(0.002):
            assert self.hub.snapshot().events <= 1024
            self.app.drain()

    def _publish_interrupted(
        self, threads: ThreadPoolExecutor, publishers: list[Future[None]]
    ) -> int:
        """Publish in the main thread while signals come; return their number."""
        with self._handled() as count:
            signals = threads.submit(self.signal)
            number = 0
            while not all(publisher.done() for publisher in publishers):
                self.hub.publish_sync(_TOPICS[number % len(_TOPICS)], f"main {number}")
                number += 1
            self._published.set()
            signals.result(_LIMIT)
        return count()

    @contextmanager
    def _handled(self) -> Iterator[Callable[[], int]]:
        """Publish in the handler of the signal; give the number of events so far."""
        numbers: list[int] = []
        is_handling = False

        def handle(signum: int, frame: object) -> None:
            nonlocal is_handling
            if not is_handling:  # one handler may interrupt another
                is_handling = True
                numbers.append(len(numbers))
                self.hub.publish_sync(_SIGNALS, f"handler {numbers[-1]}")
                is_handling = False

        former = signal.signal(signal.SIGUSR1, handle)
        try:
            yield lambda: len(numbers)
        finally:
            signal.signal(signal.SIGUSR1, former)

    # -- event loops -------------------------------------------------------------------------------

    async def follow(self) -> Follower:
        """Follow all topics to their ends."""
        follower, decoder, content = Follower(), EventDecoder(), self._subscribe()
        self._begun.release()
        async for batch in content:
            for event in decoder.feed(batch.body):
                follower.read(event)
        return follower

    async def stream(self) -> Follower:
        """Follow all topics to their ends over an application that is drained again and again."""
        follower = Follower()
        last_event_id: str | None = None
        self._begun.release()
        while True:
            async with connect(self.app, last_event_id=last_event_id) as client:
                if client.status == 204:
                    return follower
                async for event in client:
                    follower.read(event)
                    last_event_id = event.id

    async def visit(self, threads: ThreadPoolExecutor) -> int:
        """Come and go until all is published; every second subscription is closed elsewhere."""
        visits = 0
        while not self._published.is_set():
            content = self.hub.subscribe(_TOPICS[visits % len(_TOPICS)])
            await anext(content)
            if visits % 2:
                await content.aclose()
            else:
                threads.submit(anyio.run, content.aclose)
            visits += 1
            await anyio.lowlevel.checkpoint()
        return visits

    # -- all of it ---------------------------------------------------------------------------------

    def run(self) -> dict[str, object]:
        """Hammer on the hub; return what there was to see.

        :raises AssertionError: a follower missed something
        :raises TimeoutError: somebody waits for something that has come
        """
        with ExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(_PUBLISHERS + 4))
            portals = [stack.enter_context(start_blocking_portal(name)) for name in _BACKENDS]
            try:
                return self._hammer(threads, portals)
            finally:
                self._published.set()

    def _hammer(
        self, threads: ThreadPoolExecutor, portals: list[BlockingPortal]
    ) -> dict[str, object]:
        readers = [
            portal.start_task_soon(function)
            for portal in portals
            for function in (*(self.follow,) * _FOLLOWERS, self.stream)
        ]
        for _ in readers:
            assert self._begun.acquire(timeout=_LIMIT)
        visitors = [portal.start_task_soon(self.visit, threads) for portal in portals]
        publishers = [threads.submit(self.publish, number) for number in range(_PUBLISHERS)]
        looks = threads.submit(self.look)
        signals = self._publish_interrupted(threads, publishers)
        for done in (*publishers, looks):
            done.result(_LIMIT)
        for topic in (*_TOPICS, _SIGNALS):
            self.hub.publish_sync(topic, f"end-of-{topic} 1", last=True)
        followers = [reader.result(_LIMIT) for reader in readers]
        assert sorted(self.begun) == sorted(set(self.begun)), "a topic was begun twice"
        return {
            "signals": signals,
            "visits": sum(visitor.result(_LIMIT) for visitor in visitors),
            "events": [follower.events for follower in followers],
            "gaps": sum(follower.gaps for follower in followers),
            "subscribers": self.hub.snapshot().subscribers,
        }


def main(events: str = "300") -> None:
    """Hammer, and print what there was to see as JSON."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_INTERVAL)
    try:
        found = Hammer(int(events)).run()
    finally:
        sys.setswitchinterval(interval)
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
