"""scale: what each of thousands of clients costs one worker, of the columns that can be compared.

The clients are a reader in C (``tests/benchmarks/reader.c``). All columns hold their clients while
these get nothing but pings, which is watched once for all of them. Then the columns take turns, and
the processes of the others are stopped meanwhile. Nothing is repeated: the sizes are the rounds.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio

from tests.benchmarks.bench import Bench
from tests.benchmarks.broadcasters import PROGRAMS, load, load_program
from tests.benchmarks.measure import Figure, Quantity, Row
from tests.benchmarks.peers import LIMIT, OURS
from tests.benchmarks.process import Server, check_loop, own_core, run
from tests.benchmarks.reader import compiled, reading
from tests.benchmarks.resources import check_memory, open_files
from tests.benchmarks.station import Station

__all__ = [
    "ADVISED",
    "COLUMNS",
    "headings",
    "quantities",
    "rows",
    "rows_of",
    "say",
    "warm_up",
    "watch",
    "worker",
]

ADVISED = "advised"
"""The column of ours with the guide's advice for the garbage collector."""

COLUMNS = (LIMIT, OURS, ADVISED, "sse_starlette", "better_sse")
"""Those that are compared, as far as they are asked for."""

BARE = 3.0
"""Seconds in which a server without clients is watched."""

WARM_UP = 20


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    names = {LIMIT: load(LIMIT).name}
    for key in _asked(bench):
        if key == ADVISED:
            names[key] = "with advice"
        else:
            names[key] = (load_program if key in PROGRAMS else load)(key).name
    return names


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield what a connection, a delivery and an idle client cost, by number of clients."""
    check_loop(bench.loop)
    with ExitStack() as stack:
        try:
            program = stack.enter_context(compiled())
        except LookupError as exc:
            print(f"scale is left out: {exc}")
            return
        core = stack.enter_context(own_core())
        for clients in bench.effort.scales:
            check_memory(clients * (1 + len(_asked(bench))))
            with open_files(clients), _stations(bench, core, program) as stations:
                found = await _measured(bench, stations, clients)
            for row in rows_of(quantities(f"{clients:,} clients"), found, LIMIT):
                yield row


def quantities(label: str) -> list[Quantity]:
    """Return the rows for so many clients."""
    return [
        Quantity(f"{label}, each holds", "KiB", scale=1 / 1024),
        Quantity(f"{label}, a connection", "CPU µs", scale=1e6),
        Quantity(f"{label}, a ping", "CPU µs", scale=1e6),
        Quantity(f"{label}, idle", "% of a core", scale=100),
        Quantity(f"{label}, a delivery", "CPU µs", scale=1e6),
        Quantity(f"{label}, to the last, p50", "ms", scale=1e3),
        Quantity(f"{label}, to the last, p99", "ms", scale=1e3),
        Quantity(f"{label}, longest gc pause", "ms", scale=1e3),
        Quantity(f"{label}, each holds later", "KiB", scale=1 / 1024),
    ]


def rows_of(
    asked: Sequence[Quantity], found: Mapping[str, Sequence[float]], base: str
) -> Iterator[Row]:
    """Return a row for each quantity, and hold each column against ``base``."""
    for index, quantity in enumerate(asked):
        limit = found[base][index]
        yield Row(
            quantity,
            {
                key: Figure(
                    figures[index] * quantity.scale,
                    figures[index] / limit if limit > 0 else float("nan"),
                    0.0,
                )
                for key, figures in found.items()
            },
        )


async def _measured(
    bench: Bench, stations: Mapping[str, Station], clients: int
) -> dict[str, list[float]]:
    bare = min(BARE, bench.effort.watch)
    await watch(stations.values(), bare)
    for key, station in stations.items():
        with _alone(station, stations):
            say(f"{clients:,} clients of {key} connect")
            station.connect(clients)
    say(f"they are watched for {bench.effort.watch:g} s")
    await watch(stations.values(), bench.effort.watch)
    for key, station in stations.items():
        with _alone(station, stations):
            say(f"events to {clients:,} clients of {key}")
            station.deliver(bench.effort.patience)
            station.replace()
    return {key: station.figures() for key, station in stations.items()}


def worker(name: str, loop: str, *options: str) -> list[str]:
    """Return the command line of a server of one broadcaster."""
    module = f"{__package__.rpartition('.')[0]}.serve"
    return [sys.executable, "-m", module, name, loop, "--broadcast", *options]


async def watch(stations: Iterable[Station], seconds: float) -> None:
    """Look at clients that get nothing but pings, of all stations at the same time."""
    for station in stations:
        station.begin_watch()
    await anyio.sleep(seconds)
    for station in stations:
        station.end_watch(seconds)


def warm_up(program: Path, servers: Sequence[Server]) -> None:
    """Have some clients come and go."""
    with reading(program, servers) as warm:
        warm.open(WARM_UP)
        warm.gather(servers[0])


def say(text: str) -> None:
    """Tell how far it is, beside the table."""
    print(f"... {text}", file=sys.stderr, flush=True)


@contextmanager
def _alone(station: Station, stations: Mapping[str, Station]) -> Iterator[None]:
    with ExitStack() as stack:
        for other in stations.values():
            if other is not station:
                for server in other.servers:
                    stack.enter_context(server.held())
        yield


@contextmanager
def _stations(bench: Bench, core: int | None, program: Path) -> Iterator[dict[str, Station]]:
    """Run a server and its reader for each column in the block."""
    with ExitStack() as stack:
        stations = {}
        for key in (LIMIT, *_asked(bench)):
            try:
                command = _command(key, bench.loop)
            except LookupError as exc:
                print(f"{key} is left out: {exc}")
            else:
                server = stack.enter_context(run(command, core))
                warm_up(program, [server])
                stations[key] = Station([server], stack.enter_context(reading(program, [server])))
        yield stations


def _command(key: str, loop: str) -> list[str]:
    if key in PROGRAMS:
        return load_program(key).command()
    if key == ADVISED:
        return worker(OURS, loop, "--advised")
    return worker(key, loop)


def _asked(bench: Bench) -> list[str]:
    return [key for key in COLUMNS if key in (ADVISED, *bench.peers) and key != LIMIT]
