"""fleet: a deploy of many workers, by simulation (:mod:`tests.benchmarks.fleet`)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.fleet.report import PLOT, report

__all__ = ["lines"]


def lines(bench: Bench) -> Iterator[str]:
    """Yield the lines of the tables; the plot is drawn but in a smoke run."""
    clients = bench.effort.simulated
    return report(clients, plot=PLOT if bench.effort.is_whole else None)
