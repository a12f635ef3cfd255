"""Serve one peer on uvicorn, in a process of its own: ``python -m tests.benchmarks.serve``.

The port goes to standard output. Each line on standard input is then answered with one line of
JSON, either the work that the process has done or the memory it holds; the end of standard input is
its end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time

import uvicorn

from .peer import ASGIApp, Plan
from .peers import load

__all__ = ["main"]

STATM = Path("/proc/self/statm")


def work() -> dict[str, float]:
    """Return the processor seconds that were spent, and the number of tasks."""
    return {"cpu": process_time(), "tasks": len(asyncio.all_tasks())}


def memory() -> dict[str, float]:
    """Return the resident bytes and the objects that gc tracks, once its garbage is gone."""
    gc.collect()
    resident = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"rss": resident, "objects": len(gc.get_objects())}


async def serve(app: ASGIApp) -> None:
    """Serve ``app`` on a free port until standard input ends."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _on_input, server)
        print(listener.getsockname()[1], flush=True)
        await server.serve(sockets=[listener])


def _on_input(server: uvicorn.Server) -> None:
    question = os.read(sys.stdin.fileno(), 64)
    if question:
        print(json.dumps(memory() if question == b"memory\n" else work()), flush=True)
    else:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.should_exit = True


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("loop")
    parser.add_argument("events", type=int)
    parser.add_argument("--open-ended", action="store_true")
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    app = load(options.peer).serve(Plan(options.events, open_ended=options.open_ended))
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_factory(options.loop)) as runner:
        runner.run(serve(app))


if __name__ == "__main__":
    main()
