"""compression: what a content coding costs and saves, for one client and for many.

The limit here is the same stream without a coding, in process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import anyio

from sse_asgi import Connection, EventSourceApp, EventStream
from sse_asgi.broadcast import Hub, Subscription
from sse_asgi.wire import EncodedBatch
from tests.benchmarks.bench import Bench
from tests.benchmarks.crowd import Client, until
from tests.benchmarks.measure import AGAIN, Quantity, Row, Sampler, clock, compare
from tests.benchmarks.peers import LIMIT

__all__ = ["headings", "rows"]

CODINGS = ("gzip", "zstd", "br")
ALONE = "gzip alone"
"""The column of many clients whose bytes are compressed for each of them."""
COLUMNS: Mapping[str, tuple[str, ...]] = {LIMIT: (), AGAIN: (), **{it: (it,) for it in CODINGS}}
"""From each column to what its clients accept."""
MANY: Mapping[str, tuple[str, ...]] = {**COLUMNS, ALONE: ("gzip",)}

FANOUT_EVENTS = 40
ROUNDS = 7


def tick(number: int) -> str:
    """Return a small event: JSON of numbers, 130 bytes."""
    price = 1 + number * 7919 % 99991 / 1e5
    return (
        f'{{"symbol":"EURUSD","bid":{price:.5f},"ask":{price + 0.0002:.5f},"time":'
        f'{1790000000000 + number * 137},"volume":{number * 31 % 977},"venue":"XETR",'
        f'"bid_size":{number % 500},"ask_size":{number * 3 % 500}}}'
    )


def patch(number: int) -> str:
    """Return a piece of HTML for a page, 300 bytes."""
    cells = "".join(
        f'<td class="cell cell-{name}" data-row="{number}">{number * 7919 % 9973}</td>'
        for name in ("open", "high", "low", "close", "volume")
    )
    return f'elements <tr id="row-{number % 50}" class="row">{cells}</tr>'


def page(number: int) -> str:
    """Return a whole page of which one line changes, 46 kB."""
    lines = [f'<li id="i{it}">{it * 7919 % 99991}</li>' for it in range(1900)]
    lines[number % 1900] = f'<li id="i{number % 1900}">changed {number}</li>'
    return "".join(lines)


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    return {**{it: it for it in MANY}, LIMIT: "identity"}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield processor time and bytes on the wire per event."""
    rounds = min(bench.effort.rounds, ROUNDS)
    for label, mode, event, count in (
        ("tick", "auto", tick, bench.effort.further),
        ("patch", "auto", patch, bench.effort.further),
        ("page", "pages", page, max(2, bench.effort.further // 10)),
    ):
        columns = {name: _one(mode, event, count, it) for name, it in COLUMNS.items()}
        for row in await compare(_quantities(f"{label}, 1 client"), columns, rounds):
            yield row
    clients = bench.effort.connections
    columns = {name: _many(patch, clients, it, share=name != ALONE) for name, it in MANY.items()}
    for row in await compare(_quantities(f"patch, {clients:,} clients"), columns, min(rounds, 3)):
        yield row


def _quantities(label: str) -> list[Quantity]:
    return [Quantity(label, "CPU µs", scale=1e6), Quantity(label, "bytes")]


def _one(mode: Any, event: Callable[[int], str], count: int, accepted: Sequence[str]) -> Sampler:
    texts = [event(number) for number in range(count)]

    async def content() -> AsyncIterator[str]:
        for text in texts:
            yield text

    async def sample() -> tuple[float, float]:
        client = Client(EventStream(content, compression=mode), accepted)
        begin = clock()
        await client.run()
        return (clock() - begin) / count, client.received / count

    return sample


def _many(
    event: Callable[[int], str], clients: int, accepted: Sequence[str], *, share: bool
) -> Sampler:
    async def sample() -> tuple[float, float]:
        hub = Hub()

        def handler(connection: Connection) -> Any:
            content = hub.subscribe("t")
            return content if share else Alone(content)

        app = EventSourceApp(handler, compression="auto")
        audience = [Client(app, accepted) for _ in range(clients)]
        async with anyio.create_task_group() as tasks:
            for client in audience:
                tasks.start_soon(client.run)
            await until(audience, 1)  # where it stands
            before, begin = sum(client.received for client in audience), clock()
            for number in range(FANOUT_EVENTS):
                await hub.publish("t", event(number))
                await until(audience, number + 2)
            seconds = clock() - begin
            size = sum(client.received for client in audience) - before
            tasks.cancel_scope.cancel()
        return seconds / clients / FANOUT_EVENTS, size / clients / FANOUT_EVENTS

    return sample


class Alone:
    """A subscription whose bytes are as good, and nobody else's."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.when_ready = subscription.when_ready
        self.aclose = subscription.aclose

    def take(self) -> EncodedBatch | None:
        """Return what is ready."""
        batch = self._subscription.take()
        return None if batch is None else EncodedBatch(bytes(batch.body), batch.events)
