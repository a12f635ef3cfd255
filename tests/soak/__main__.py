"""Soak servers side by side: ``python -m tests.soak --minutes 30``; it needs Linux.

Each server has clients that stay, come and go, count, follow runs, and vanish; a publisher never
stops. At the end of each phase all but the steady clients leave, and each server tells what it
holds. The soak fails if that rises after the warm-up, or if any client misses a number.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from .report import faults, table, where
from .site import SERVERS, Site
from .soak import Course, soak

if TYPE_CHECKING:
    from tests.broadcast.redis.engine import Engine

__all__ = ["main"]

LOGS: Final = ("memory", "redis")
LONG: Final = 10.0
"""Minutes from which on a soak has longer phases."""


def main() -> None:
    """Run from the command line."""
    options = parse()
    is_long = options.minutes >= LONG
    course = Course(options.minutes * 60, options.phase or (30.0 if is_long else 8.0))
    warm_up = options.warm_up if options.warm_up is not None else course.whole / 3
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        engine = stack.enter_context(new_engine(Path(directory), options.logs))
        sites = [
            Site(
                server,
                log,
                app=options.app,
                clients=options.clients // (len(options.servers) * len(options.logs)),
                seed=options.seed,
                directory=Path(directory),
                environment=environment(log, engine, fill=is_long),
            )
            for log in options.logs
            for server in options.servers
        ]
        for site in sites:
            stack.enter_context(site.process)
        for site in sites:
            site.wait_ready()
        anyio.run(soak, sites, course, engine, backend_options={"use_uvloop": True})
        for site in sites:
            site.stop()
        print(where())
        print(table(sites, warm_up))
        wrong = [fault for site in sites for fault in faults(site, warm_up)]
        if options.keep is not None:
            for site in sites:
                (options.keep / f"{site.name}.log").write_text(site.process.log)
                lines = [f"{time:.0f} {sample}" for time, sample in site.samples]
                (options.keep / f"{site.name}.samples").write_text("\n".join(lines))
    print("\n".join(wrong) or "flat, and every sequence is complete")
    sys.exit(bool(wrong))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=2000, help="of all servers together")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--logs", nargs="+", choices=LOGS, default=list(LOGS))
    parser.add_argument("--app", choices=("app", "bare"), default="app", help="bare: bare ASGI")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--phase", type=float, help="seconds from one look to the next")
    parser.add_argument("--warm-up", type=float, help="seconds whose samples do not count")
    parser.add_argument("--keep", type=Path, help="a directory for the logs and the samples")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    return options


@contextmanager
def new_engine(directory: Path, logs: list[str]) -> Iterator[Engine | None]:
    """Run an engine in the block if a log needs one."""
    if "redis" not in logs:
        yield None
        return
    from tests.broadcast.redis.engine import Engine

    with Engine(directory / "engine") as engine:
        yield engine


def environment(log: str, engine: Engine | None, *, fill: bool) -> dict[str, str]:
    """Return the environment of a server."""
    filled = {"SOAK_FILL": "1"} if fill else {}
    return {**filled, "SOAK_REDIS_URL": engine.url} if log == "redis" and engine else filled


if __name__ == "__main__":
    main()
