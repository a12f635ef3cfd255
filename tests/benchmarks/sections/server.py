"""server: as many events as one connection of a real server carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import read_all
from tests.benchmarks.measure import Quantity, Row, Sampler, compare
from tests.benchmarks.peer import Plan
from tests.benchmarks.process import Server, own_core, servers

__all__ = ["rows"]

QUANTITIES = (
    Quantity("1 connection", "events/s", rate=True, budget=1.1),
    Quantity("1 connection", "server CPU µs/event", scale=1e6, budget=1.1),
)
WINDOW_QUANTITIES = (
    Quantity("1 connection, window of 50 ms", "events/s", rate=True, budget=0.2),
    Quantity("1 connection, window of 50 ms", "server CPU µs/event", scale=1e6, budget=0.2),
)


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the rate and the server's processor time per event."""
    for window, quantities in ((None, QUANTITIES), (0.05, WINDOW_QUANTITIES)):
        plan = Plan(bench.effort.burst, window=window)
        with own_core() as core, servers(bench, plan, core) as running:
            columns = {name: _sampler(server, plan) for name, server in running.items()}
            for row in await compare(quantities, columns, bench.effort.rounds):
                yield row


def _sampler(server: Server, plan: Plan) -> Sampler:
    async def sample() -> tuple[float, float]:
        cpu = server.work().cpu
        start = perf_counter()
        size = read_all(server.port)
        seconds = perf_counter() - start
        if size < plan.events * len(plan.text):
            raise RuntimeError(f"only {size} bytes came for {plan.events} events")
        return plan.events / seconds, (server.work().cpu - cpu) / plan.events

    return sample
