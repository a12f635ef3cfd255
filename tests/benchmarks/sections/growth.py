"""growth: what a unit of work costs a hub when everything around it grows, beside its first size.

All of it is in process: a row shows the work of the hub alone. With many topics, each has a
subscriber. An event through Valkey costs less when several tasks publish at once, since requests
share a write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple

from tests.benchmarks.bench import Bench
from tests.benchmarks.grown import followed, history, size_of, tasks, threads, topics_of
from tests.benchmarks.measure import AGAIN, Growth, Quantity, Row, Sampler, compare
from tests.benchmarks.peers import LIMIT, OURS

from .scale import say

__all__ = ["headings", "rows"]

BUDGET = 1.5
ROUNDS = 3


class Direction(NamedTuple):
    """One thing that grows.

    :param sizes: the first is the one that the others are held against
    :param grown: gives a sampler of the costs at a size
    :param units: what is sampled, in this order
    """

    name: str
    sizes: Sequence[int]
    grown: Callable[[int], AbstractAsyncContextManager[Sampler]]
    units: Sequence[str]

    def quantities(self, size: int) -> list[Quantity]:
        """Return the rows for one size."""
        label = f"{size:,} {self.name}"
        return [
            Quantity(f"{label}: {unit}", "CPU µs", scale=1e6, budget=BUDGET) for unit in self.units
        ]


def directions(growth: Growth) -> list[Direction]:
    """Return what grows, and how far."""
    kept = growth.kept
    return [
        Direction(
            "topics", growth.topics, partial(topics_of, kept), ("publish", "subscribe", "deliver")
        ),
        Direction(
            "topics each",
            growth.followed,
            partial(followed, growth),
            ("subscribe", "deliver", "replay"),
        ),
        Direction("events kept", growth.histories, history, ("publish", "come back", "replay")),
        Direction("bytes", growth.sizes, size_of, ("publish a KiB", "deliver a KiB")),
        Direction("threads", growth.publishers, threads, ("publish",)),
        Direction("tasks, Valkey", growth.publishers, tasks, ("publish",)),
    ]


def headings(bench: Bench) -> dict[str, str]:
    """Return the name of each column as it is printed."""
    return {LIMIT: "first size", AGAIN: "again", OURS: "this size"}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the cost of a unit at each size, held against the first size."""
    rounds = min(bench.effort.rounds, ROUNDS)
    for direction in directions(bench.effort.growth):
        first, *others = direction.sizes
        for size in others:
            say(f"{size:,} {direction.name}")
            async with direction.grown(first) as base, direction.grown(size) as grown:
                columns = {LIMIT: base, AGAIN: base, OURS: grown}
                for row in await compare(direction.quantities(size), columns, rounds):
                    yield row
