"""connect: clients of a real server that come, read the first event, and leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import read_first
from tests.benchmarks.measure import Quantity, Row, Sampler, compare
from tests.benchmarks.peer import Plan
from tests.benchmarks.process import Server, own_core, servers

__all__ = ["rows"]

STANDING = 2
"""Tasks that a first connection may leave for those to come."""

QUANTITIES = (
    Quantity("one by one", "connections/s", rate=True),
    Quantity("one by one", "server CPU µs each", scale=1e6, budget=1.4),
)


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the rate and the server's processor time per connection, until it is cleaned up."""
    count = bench.effort.connections // 4
    with own_core() as core, servers(bench, Plan(open_ended=True), core) as running:
        columns = {name: _sampler(server, count) for name, server in running.items()}
        for row in await compare(QUANTITIES, columns, bench.effort.rounds):
            yield row


def _sampler(server: Server, count: int) -> Sampler:
    async def sample() -> tuple[float, float]:
        before = server.work()
        start = perf_counter()
        for _ in range(count):
            read_first(server.port)
        rate = count / (perf_counter() - start)
        return rate, (server.settled(before.tasks + STANDING).cpu - before.cpu) / count

    return sample
