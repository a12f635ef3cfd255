"""people: many clients with topics of their own, many topics for each, and long backlogs.

The column "shared" has the case beside which each row is held: clients that all follow the same
topic, subscriptions to one topic, the shortest backlog. All clients are in process, so that a row
shows nothing but the work of the hub and of the stream. Memory is that of a new process each time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from anyio import create_task_group
from anyio.lowlevel import checkpoint

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub, MemoryBackend, Subscription
from tests.benchmarks.bench import Bench
from tests.benchmarks.broadcaster import EVENT
from tests.benchmarks.crowd import Client, Crowd, crowd
from tests.benchmarks.measure import AGAIN, Quantity, Row, Sampler, clock, compare
from tests.benchmarks.peers import LIMIT, OURS

__all__ = ["headings", "rows"]

ROUNDS = 5
AUDIENCE = 100
"""Clients of the rows with many topics for each."""

TO_ONE = 200
"""Events that are published to the topic of one client."""

KEYS = 1_000
"""Values of the key in the rows with ``keep_latest``."""

BACKLOGS: Mapping[str, dict[str, Any]] = {
    "replayed": {},
    "filtered": {"filter": lambda entry: entry.sequence % 10 == 0},
    "by key": {"keep_latest": lambda entry: entry.sequence % KEYS},
}
"""From the label of a row to the options of its subscription."""


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    return {LIMIT: "shared", AGAIN: "shared again", OURS: "own"}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the costs of a publication, of a delivery, of an idle client and of an old entry."""
    for clients in bench.effort.crowds:
        for row in await _deliveries(bench, f"{clients:,} clients", clients, topics=2):
            yield row
        for row in await _memory(clients, bench.loop):
            yield row
    for topics in bench.effort.topics:
        for row in await _deliveries(bench, f"{topics:,} topics each", AUDIENCE, topics):
            yield row
    async for row in _replays(bench):
        yield row


# -- deliveries ------------------------------------------------------------------------------------


async def _deliveries(bench: Bench, label: str, clients: int, topics: int) -> list[Row]:
    """Return what an event costs that goes to all clients, and one that goes to one of them."""
    quantities = [
        Quantity(f"{label}, publish", "CPU µs", scale=1e6, budget=3),
        Quantity(f"{label}, delivery", "CPU µs", scale=1e6, budget=3),
        Quantity(f"{label}, to one", "CPU µs", scale=1e6, budget=3),
    ]
    times = max(3, bench.effort.deliveries // clients)
    async with crowd("shared", clients) as shared, crowd("own", clients, topics=topics) as own:
        columns = {
            name: _delivery(which, times)
            for name, which in {LIMIT: shared, AGAIN: shared, OURS: own}.items()
        }
        return await compare(quantities, columns, min(bench.effort.rounds, ROUNDS))


def _delivery(which: Crowd, times: int) -> Sampler:
    async def sample() -> tuple[float, float, float]:
        publication, delivery = await which.to_everybody(times)
        return publication, delivery, await which.to_one(TO_ONE)

    return sample


# -- memory ----------------------------------------------------------------------------------------


async def _memory(clients: int, loop: str) -> list[Row]:
    kinds = {LIMIT: "shared", OURS: "own"}
    found = []
    for label, codings, budget in (("idle", (), 1.3), ("idle, gzip", ("gzip",), None)):
        quantity = Quantity(f"{clients:,} clients, {label}", "KiB", scale=1 / 1024, budget=budget)
        columns = {name: _idle(loop, kind, clients, *codings) for name, kind in kinds.items()}
        found += await compare([quantity], columns, rounds=1)
    return found


def _idle(loop: str, kind: str, clients: int, *codings: str) -> Sampler:
    module = f"{__package__.rpartition('.')[0]}.crowd"
    command = [sys.executable, "-m", module, loop, kind, str(clients), *codings]

    async def sample() -> tuple[float]:
        # The event loop has nothing else to do meanwhile.
        run = partial(subprocess.run, stdout=subprocess.PIPE, text=True, check=True)
        return (float(run(command).stdout),)

    return sample


# -- replay ----------------------------------------------------------------------------------------


async def _replays(bench: Bench) -> AsyncIterator[Row]:
    shortest, *longer = bench.effort.entries
    base = _logged(shortest)
    for entries in longer:
        hub = _logged(entries)
        for label, options in BACKLOGS.items():
            columns = {
                LIMIT: _replay(base, shortest, options),
                AGAIN: _replay(base, shortest, options),
                OURS: _replay(hub, entries, options),
            }
            quantities = [
                Quantity(f"{entries:,} {label}, each", "CPU µs", scale=1e6, budget=1.5),
                Quantity(f"{entries:,} {label}, longest hold", "ms", scale=1e3),
            ]
            for row in await compare(quantities, columns, min(bench.effort.rounds, 3)):
                yield row


def _logged(entries: int) -> Hub:
    """Return a hub whose history has that many entries."""
    hub = Hub(MemoryBackend(max_events=entries, max_bytes=1 << 40))
    for _ in range(entries):
        hub.publish_sync("t", EVENT)
    return hub


def _replay(hub: Hub, entries: int, options: dict[str, Any]) -> Sampler:
    first = f"{(hub.position() or '').partition('-')[0]}-0"
    made: list[Subscription] = []

    def handler(connection: object) -> Subscription:
        made.append(hub.subscribe("t", last_event_id=first, **options))
        return made[-1]

    app = EventSourceApp(handler, ping=None)

    async def sample() -> tuple[float, float]:
        client = Client(app)
        begin = clock()
        async with create_task_group() as tasks:
            tasks.start_soon(client.run)
            longest = await _longest_hold(lambda: client.bodies > 1 and not made[-1].backlog)
            tasks.cancel_scope.cancel()
        seconds = clock() - begin
        made.clear()
        return seconds / entries, longest

    return sample


async def _longest_hold(is_over: Callable[[], object]) -> float:
    """Return the longest time for which other tasks held the event loop, until ``is_over``."""
    longest, before = 0.0, clock()
    while not is_over():
        await checkpoint()
        now = clock()
        longest = max(longest, now - before)
        before = now
    return longest
