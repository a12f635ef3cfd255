"""fleet: a deploy of many workers, by simulation (:mod:`tests.benchmarks.fleet`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.fleet.report import PLOT, report

__all__ = ["lines"]

REAL = 500
"""Real clients of the restart that the simulation is held against."""


def lines(bench: Bench) -> Iterator[str]:
    """Yield the lines of the tables; a smoke run draws no plot."""
    effort = bench.effort
    yield from report(effort.simulated, plot=PLOT if effort.is_whole else None)
    yield ""
    # In another process, since this one runs an event loop.
    command = [sys.executable, "-m", "tests.benchmarks.fleet.check"]
    clients = str(REAL if effort.is_whole else REAL // 10)
    done = subprocess.run([*command, clients], check=True, capture_output=True, text=True)
    yield from done.stdout.splitlines()
