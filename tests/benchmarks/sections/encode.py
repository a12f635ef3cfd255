"""encode: from an item, as the content yields it, to the bytes on the wire."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import repeat

from tests.benchmarks.bench import Bench
from tests.benchmarks.measure import Quantity, Row, Timer, clock, compare, repeated

__all__ = ["rows"]

SMALL = "01234567890123456789"
OBJECT = "the same as an object"
ROWS: tuple[tuple[str, float | None, Sequence[object]], ...] = (
    ("small", 2.5, (SMALL,)),
    ("fields", None, (SMALL, "price", "1728000000-42")),
    (OBJECT, 6, (SMALL, "price", "1728000000-42")),
    ("1 KiB", None, ("x" * 1024,)),
    ("multi-line", None, ("\n".join(["a line of the text"] * 16),)),
    ("json", None, ({"symbol": "EURUSD", "bid": 1.0823, "ask": 1.0825, "sizes": [100, 250]},)),
)
"""Label, budget, and the arguments that make one event: data, or data, event and id."""


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield one row per kind of event; who leaves the encoding to the user has no figure."""
    for label, budget, arguments in ROWS:
        columns = {
            name: await repeated(_timer(peer.encoders[label], arguments), bench.effort.batch)
            for name, peer in bench.columns().items()
            if peer.encoders is not None and label in peer.encoders
        }
        quantity = Quantity(label, "ns/event", scale=1e9, budget=budget)
        for row in await compare([quantity], columns, bench.effort.rounds):
            yield row


def _timer(encode: Callable[..., object], arguments: Sequence[object]) -> Timer:
    async def timer(count: int) -> float:
        start = clock()
        # A map drained by a deque is the loop with the least cost of its own.
        deque(map(encode, *(repeat(argument, count) for argument in arguments)), maxlen=0)
        return clock() - start

    return timer
