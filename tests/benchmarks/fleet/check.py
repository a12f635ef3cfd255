"""Hold the simulation against a real restart: ``python -m tests.benchmarks.fleet.check 500``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from .crowd import FAREWELL, Seen, restarted
from .deploy import simulate
from .outcome import Outcome, quantile
from .plan import Plan

__all__ = ["SHARES", "expected", "main"]

SHARES = (0.1, 0.5, 0.9, 0.99)


def expected(seen: Seen) -> Outcome:
    """Return what the simulation says of a restart that took as long."""
    plan = Plan(
        clients=len(seen.outages),
        workers=1,
        farewell=FAREWELL,
        direct=True,
        restart=seen.restart,
        handler=0.0,
    )
    return simulate(plan)


def _lines(clients: int) -> Iterator[str]:
    with TemporaryDirectory() as directory:
        seen = anyio.run(restarted, clients, Path(directory))
    found, told = sorted(seen.outages), expected(seen)
    yield f"A real restart with {clients} clients took {seen.restart:.2f} s."
    yield ""
    yield "| outages | really | simulated |"
    yield "|---|---|---|"
    for share in SHARES:
        real, simulated = quantile(found, share), told.outage(share)
        yield f"| {share:.0%} are over after | {real:.2f} s | {simulated:.2f} s |"


def main() -> None:
    """Run from the command line."""
    for line in _lines(int(sys.argv[1])):
        print(line)


if __name__ == "__main__":
    main()
