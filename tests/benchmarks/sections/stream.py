"""stream: one response after the other in process, to a server that costs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.exchange import connections
from tests.benchmarks.measure import Quantity, Row, Timer, compare, repeated
from tests.benchmarks.peer import Peer, Plan

__all__ = ["rows"]

SYNC = "sync iterator: "
CONNECTION = Quantity("1 connection of 1 event", "µs", scale=1e6, budget=3)
EVENT = Quantity("each further event (20 B)", "µs", scale=1e6, budget=2.7)
WAITING_CONNECTION = replace(CONNECTION, label="the same, content waits once")
KIB_EVENT = replace(EVENT, label="each further event (1 KiB)")
WINDOW_EVENT = replace(EVENT, label="each further event (20 B), window of 50 ms", budget=None)
SYNC_CONNECTION = replace(CONNECTION, label=f"{SYNC}1 connection", budget=None)
SYNC_EVENT = replace(EVENT, label=f"{SYNC}each event", budget=None)


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield what a connection of one event costs, and what each event after the first adds."""
    many, turn = 1 + bench.effort.further, _turn(bench.backend)
    for quantity, plan in (
        (CONNECTION, Plan()),
        (WAITING_CONNECTION, Plan(pause=turn)),
        # They wait, too, so that what a first wait sets off is no event's cost.
        (EVENT, Plan(many, pause=turn)),
        (KIB_EVENT, Plan(many, text="x" * 1024, pause=turn)),
        (WINDOW_EVENT, Plan(many, pause=turn, window=0.05)),
        (SYNC_CONNECTION, Plan(sync=True)),
        (SYNC_EVENT, Plan(many, sync=True)),
    ):
        columns = {
            name: await repeated(_timer(peer, plan, bench.backend), bench.effort.batch)
            for name, peer in bench.columns().items()
            if plan.window is None or peer.windows
        }
        quantity = replace(quantity, scale=quantity.scale / max(1, plan.events - 1))
        for row in await compare([quantity], columns, bench.effort.rounds):
            yield row


def _turn(backend: str) -> Callable[[], Awaitable[object]]:
    """Return the cheapest wait: until the event loop has had a turn."""
    if backend == "trio":
        from trio.lowlevel import checkpoint

        return checkpoint
    from asyncio import sleep

    return partial(sleep, 0)


def _timer(peer: Peer, plan: Plan, backend: str) -> Timer:
    app, size = peer.app(plan), plan.events * len(plan.text)
    single = peer.app(replace(plan, events=1))

    async def connection(count: int) -> float:
        return await connections(app, count, backend, size)

    async def further_events(count: int) -> float:
        first = await connections(single, count, backend)
        return await connection(count) - first

    return connection if plan.events == 1 else further_events
