"""idle: what a real server holds for a connection that is open and has nothing to send."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import idle_connections, read_first
from tests.benchmarks.measure import AGAIN, Quantity, Row, Sampler, compare
from tests.benchmarks.peer import Plan
from tests.benchmarks.peers import LIMIT
from tests.benchmarks.process import own_core, start

from .connect import STANDING

__all__ = ["rows"]

QUANTITIES = (
    Quantity("RSS per connection", "KiB", scale=1 / 1024, budget=1.2),
    Quantity("asyncio tasks per connection", "number", budget=2),
    Quantity("gc objects per connection", "number", budget=1.38),
    Quantity("all leave at once", "server CPU µs each", scale=1e6, budget=1.4),
)
ROUNDS = 3
WARM_UP = 20
PAUSE = 0.1
"""Seconds in which the last of the connections that warm up goes."""

LEAVE = 0.3
"""Seconds in which all connections go."""


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the growth of the server with its connections, and what their end costs it."""
    count = bench.effort.connections
    with own_core() as core:
        columns = {name: _sampler(name, bench.loop, core, count) for name in bench.columns()}
        for row in await compare(QUANTITIES, columns, min(bench.effort.rounds, ROUNDS)):
            yield row


def _sampler(name: str, loop: str, core: int | None, count: int) -> Sampler:
    """Measure in a new process each time: memory that was used before is no growth."""
    peer = LIMIT if name == AGAIN else name

    async def sample() -> tuple[float, ...]:
        with start(peer, Plan(open_ended=True), loop, core) as server:
            tasks = server.work().tasks
            for _ in range(WARM_UP):
                read_first(server.port)
            server.settled(tasks + STANDING)
            await anyio.sleep(PAUSE)
            tasks = server.work().tasks
            before = server.memory()
            with idle_connections(server.port, count):
                held = server.memory()
                tasks = server.work().tasks - tasks
                held_until = server.cpu()
            await anyio.sleep(LEAVE)
            left = server.cpu()
            return (
                (held.rss - before.rss) / count,
                tasks / count,
                (held.objects - before.objects) / count,
                (left - held_until) / count,
            )

    return sample
