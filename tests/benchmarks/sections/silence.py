"""silence: what a real server spends on connections that get nothing but pings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import idle_connections
from tests.benchmarks.measure import Quantity, Row, Sampler, compare
from tests.benchmarks.peer import Plan
from tests.benchmarks.process import Server, own_core, servers

from .connect import STANDING

__all__ = ["rows"]

PING = 1.0
"""Seconds from one ping to the next."""

ROUNDS = 5
SETTLED = 0.3
"""Seconds in which the connections have begun."""


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the server's processor time for a ping."""
    count = bench.effort.connections
    quantity = Quantity(f"{count:,} connections", "server CPU µs/ping", scale=1e6, budget=1.5)
    plan = Plan(open_ended=True, ping=PING)
    with own_core() as core, servers(bench, plan, core) as running:
        columns = {
            name: _sampler(server, count, bench.effort.silence) for name, server in running.items()
        }
        for row in await compare([quantity], columns, min(bench.effort.rounds, ROUNDS)):
            yield row


def _sampler(server: Server, count: int, seconds: float) -> Sampler:
    async def sample() -> tuple[float]:
        tasks = server.work().tasks
        with idle_connections(server.port, count):
            await anyio.sleep(PING + SETTLED)
            before = server.cpu()
            await anyio.sleep(seconds)
            spent = server.cpu() - before
        server.settled(tasks + STANDING)
        return (spent / (count * seconds / PING),)

    return sample
