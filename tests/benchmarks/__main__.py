"""Run the benchmarks: ``python -m tests.benchmarks [section ...]``."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import replace

import anyio

from .bench import LOOPS, Bench
from .broadcasters import PROGRAMS
from .measure import Effort
from .peers import PEERS, versions
from .sections import LONG, SECTIONS, headings, load_lines, load_rows
from .table import Table

ALL = (*PEERS, *PROGRAMS)
KNOWN = (*SECTIONS, *LONG)

LEGEND = """\
Under each figure is its cost against the limit: the median of the ratios within each round, and
half of the distance between their quartiles. Above ×1 is costlier, for rates too. "limit again" is
the limit against itself: the noise.
"""


def parse(arguments: Sequence[str] | None = None) -> tuple[tuple[str, ...], Bench]:
    """Return the sections to run, and how."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(KNOWN)}")
    parser.add_argument("--peers", nargs="+", choices=ALL, default=ALL, help="columns")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--rounds", type=int, help="samples of each column")
    parser.add_argument("--clients", type=int, nargs="+", help="of fanout and scale")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - set(KNOWN)
    if unknown:
        parser.error(f"no section is named {', '.join(sorted(unknown))}")
    effort = Effort.quick() if options.quick else Effort()
    if options.rounds is not None:
        effort = replace(effort, rounds=options.rounds)
    if options.clients is not None:
        clients = tuple(options.clients)
        effort = replace(effort, audiences=clients, scales=clients)
    bench = Bench(tuple(options.peers), options.loop, effort)
    return tuple(options.sections) or SECTIONS, bench


async def run(sections: Sequence[str], bench: Bench) -> None:
    """Measure and print the sections, one after the other."""
    print(f"Python {platform.python_version()}, {bench.loop}; {versions()}\n{LEGEND}")
    for section in sections:
        lines = load_lines(section)
        if lines is not None:
            for line in lines(bench):
                print(line, flush=True)
            continue
        table = Table(section, headings(section, bench))
        print(table.head())
        async for row in load_rows(section)(bench):
            print(table.row(row), flush=True)
        print()


def main() -> None:
    """Run from the command line."""
    sections, bench = parse()
    anyio.run(run, sections, bench, backend=bench.backend, backend_options=bench.backend_options)


if __name__ == "__main__":
    main()
