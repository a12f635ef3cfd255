"""fanout: an event to all clients of a real server, each in its own documented way."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median, quantiles

from tests.benchmarks.audience import Delivery, audience
from tests.benchmarks.bench import Bench
from tests.benchmarks.broadcasters import BROADCASTERS, PROGRAMS, load, load_program
from tests.benchmarks.measure import AGAIN, Quantity, Row, Sampler, compare
from tests.benchmarks.peers import LIMIT
from tests.benchmarks.process import Server, check_loop, own_core, run

from .connect import STANDING

__all__ = ["ROUNDS", "broadcasters", "headings", "quantities", "rows", "sampler", "serving"]

ROUNDS = 5
AT_ONCE = 10
PACE = 5_000
"""Deliveries per second, where they are paced."""

BUDGETS = {100: (1.05, None), 1_000: (0.85, 0.15)}
"""From the number of clients to the costs of a delivery allowed us: one by one, and at once."""


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    names = {name: load(name).name for name in _names(bench)}
    names |= {name: load_program(name).name for name in PROGRAMS if name in bench.peers}
    return {**names, AGAIN: AGAIN}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield what a delivery costs the server, and how long it takes, by number of clients."""
    check_loop(bench.loop)
    with own_core() as core:
        for clients in bench.effort.audiences:
            with broadcasters(bench, core) as running:
                columns = {
                    name: sampler(server, clients, bench.effort.deliveries)
                    for name, server in running.items()
                }
                rounds = min(bench.effort.rounds, ROUNDS)
                for row in await compare(
                    quantities(clients, BUDGETS.get(clients)), columns, rounds
                ):
                    yield row


@contextmanager
def broadcasters(bench: Bench, core: int | None) -> Iterator[dict[str, Server]]:
    """Run a server for each column in the block, and two for the limit."""
    names = {name: name for name in _names(bench)} | {AGAIN: LIMIT}
    with ExitStack() as stack:
        servers = stack.enter_context(serving(names, bench.loop, core))
        for name in PROGRAMS:
            if name in bench.peers:
                try:
                    command = load_program(name).command()
                except LookupError as exc:
                    print(f"{name} is left out: {exc}")
                else:
                    servers[name] = stack.enter_context(run(command, core))
        yield servers


@contextmanager
def serving(names: Mapping[str, str], loop: str, core: int | None) -> Iterator[dict[str, Server]]:
    """Run a server for each broadcaster in the block.

    :param names: from the keys of what is returned to modules of broadcasters
    """
    module = f"{__package__.rpartition('.')[0]}.serve"
    with ExitStack() as stack:
        yield {
            key: stack.enter_context(
                run([sys.executable, "-m", module, name, loop, "--broadcast"], core)
            )
            for key, name in names.items()
        }


def _names(bench: Bench) -> list[str]:
    return [name for name in BROADCASTERS if name in (LIMIT, *bench.peers)]


def quantities(clients: int, budgets: tuple[float | None, float | None] | None) -> list[Quantity]:
    """Return the rows for so many clients.

    :param budgets: for a delivery of an event alone, and of one of several at once
    """
    single, at_once = budgets or (None, None)
    label, cpu = f"{clients:,} clients", "CPU s per million"
    return [
        Quantity(label, "deliveries/s", rate=True),
        Quantity(f"{label}, one by one", cpu, scale=1e6, budget=single),
        Quantity(f"{label}, {AT_ONCE} at once", cpu, scale=1e6, budget=at_once),
        Quantity(f"{label}, {PACE:,}/s", cpu, scale=1e6),
        Quantity(f"{label}, {PACE:,}/s, p50", "ms", scale=1e3),
        Quantity(f"{label}, {PACE:,}/s, p99", "ms", scale=1e3),
    ]


def sampler(server: Server, clients: int, deliveries: int) -> Sampler:
    """Return a sampler of :func:`quantities`, which connects the clients each time."""
    times = max(1, deliveries // clients)

    async def sample() -> tuple[float, ...]:
        before = server.work().tasks
        with audience(server, clients) as held:
            cpu, single = measured(server, lambda: held.burst(times))
            at_once, _ = measured(server, lambda: held.burst(max(1, times // AT_ONCE), AT_ONCE))
            paced, slow = measured(server, lambda: held.paced(max(2, times // 4), clients / PACE))
        server.settled(before + STANDING)
        rate = single.deliveries / single.seconds
        return rate, cpu, at_once, paced, median(slow.delays), quantiles(slow.delays, n=100)[-1]

    return sample


def measured(server: Server, deliver: Callable[[], Delivery]) -> tuple[float, Delivery]:
    """Return the server's processor seconds per delivery, and the delivery."""
    before = server.cpu()
    delivery = deliver()
    return (server.cpu() - before) / delivery.deliveries, delivery
