"""Run the benchmarks: ``python -m tests.benchmarks [section ...]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGTERM, signal

import anyio

from .bench import LOOPS, Bench
from .broadcasters import PROGRAMS
from .machine import described
from .measure import Effort
from .peers import PEERS, versions
from .plot import SIZES, draw
from .sections import LONG, SECTIONS, headings, load_lines, load_rows
from .table import MarkdownTable, Table

ALL = (*PEERS, *PROGRAMS)
KNOWN = (*SECTIONS, *LONG)
SCALE = "scale"

LEGEND = """\
Under each figure is its cost against the limit: the median of the ratios within each round, and
half of the distance between their quartiles. Above ×1 is costlier, for rates too. "limit again" is
the limit against itself: the noise.
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What the command line asks for.

    :param plot: where to draw the figures of the scale section
    :param markdown: print tables to be pasted into a guide
    """

    sections: tuple[str, ...]
    bench: Bench
    plot: Path | None = None
    markdown: bool = False


def parse(arguments: Sequence[str] | None = None) -> Task:
    """Return the sections to run, and how."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(KNOWN)}")
    parser.add_argument("--peers", nargs="+", choices=ALL, default=ALL, help="columns")
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--rounds", type=int, help="samples of each column")
    parser.add_argument("--clients", type=int, nargs="+", help="of fanout and scale")
    parser.add_argument("--fleet", type=int, help="clients of workers, all together")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the figures of scale")
    parser.add_argument("--markdown", action="store_true", help="print tables for a guide")
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - set(KNOWN)
    if unknown:
        parser.error(f"no section is named {', '.join(sorted(unknown))}")
    if options.plot and SCALE not in options.sections:
        parser.error(f"--plot draws the section {SCALE}: name it")
    bench = Bench(tuple(options.peers), options.loop, _effort(options))
    sections = tuple(options.sections) or SECTIONS
    return Task(sections, bench, options.plot, options.markdown)


def _effort(options: argparse.Namespace) -> Effort:
    effort = Effort.quick() if options.quick else Effort()
    if options.rounds is not None:
        effort = replace(effort, rounds=options.rounds)
    if options.fleet is not None:
        effort = replace(effort, fleet=options.fleet)
    if options.clients is not None:
        clients = tuple(options.clients)
        effort = replace(effort, audiences=clients, scales=clients)
    elif options.plot and not options.quick:
        effort = replace(effort, scales=SIZES)
    return effort


async def run(task: Task) -> None:
    """Measure and print the sections, one after the other."""
    bench, where = task.bench, described(task.bench.loop)
    print(f"{where}; {versions()}\n{LEGEND}")
    for section in task.sections:
        lines = load_lines(section)
        if lines is not None:
            for line in lines(bench):
                print(line, flush=True)
            continue
        names = headings(section, bench)
        table = (MarkdownTable if task.markdown else Table)(section, names)
        print(table.head())
        rows = []
        async for row in load_rows(section)(bench):
            print(table.row(row), flush=True)
            rows.append(row)
        print()
        if section == SCALE and task.plot:
            draw(rows, names, where, task.plot)


def main() -> None:
    """Run from the command line."""
    signal(SIGTERM, lambda *_: sys.exit("ended by a signal"))  # what it runs ends before it
    task = parse()
    backend, options = task.bench.backend, task.bench.backend_options
    anyio.run(run, task, backend=backend, backend_options=options)


if __name__ == "__main__":
    main()
