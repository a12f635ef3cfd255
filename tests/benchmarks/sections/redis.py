"""redis: what a delivery of a hub costs through Redis; the limit here is the same hub in memory.

The engine's own processor time is not counted: it has another process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from tests.benchmarks.bench import Bench
from tests.benchmarks.broadcasters import THROUGH_REDIS
from tests.benchmarks.measure import AGAIN, Row, compare
from tests.benchmarks.peers import LIMIT, OURS
from tests.benchmarks.process import check_loop, own_core

from .fanout import ROUNDS, quantities, sampler, serving

__all__ = ["headings", "rows"]

COLUMNS = {LIMIT: OURS, AGAIN: OURS, OURS: THROUGH_REDIS}
CLIENTS = 1_000
BUDGETS = (2.0, 1.5)


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    return {LIMIT: "memory", AGAIN: "memory again", OURS: "Redis"}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the server's processor time per delivery, and how long the deliveries take."""
    check_loop(bench.loop)
    clients = min(CLIENTS, max(bench.effort.audiences))
    with own_core() as core, serving(COLUMNS, bench.loop, core) as running:
        columns = {
            name: sampler(server, clients, bench.effort.deliveries)
            for name, server in running.items()
        }
        rounds = min(bench.effort.rounds, ROUNDS)
        for row in await compare(quantities(clients, BUDGETS), columns, rounds):
            yield row
