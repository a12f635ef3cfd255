"""Serve one peer on uvicorn, in a process of its own: ``python -m tests.benchmarks.serve``.

The port goes to standard output. Each line on standard input is then answered with one line of
JSON: the work that the process has done, its processor seconds alone, the memory it holds or the
pauses of its garbage collector. ``publish 10`` publishes, without an answer. The end of standard
input is its end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from time import process_time

import uvicorn

from .broadcaster import EVENT, Broadcast
from .broadcasters import load as load_broadcaster
from .broadcasters import through_redis
from .collector import Pauses, follow_advice
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


class Console:
    """Standard input, line by line.

    :param close: called at its end
    """

    def __init__(self, broadcast: Broadcast, close: Callable[[], None]) -> None:
        self._answers: dict[str, Callable[[], object]] = {
            "work": work,
            "memory": memory,
            "cpu": process_time,
            "pauses": Pauses().taken,
        }
        self._publish = broadcast.publish
        self._close = close
        self._rest = b""
        self._tasks: set[asyncio.Future[None]] = set()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read)

    def _read(self) -> None:
        received = os.read(sys.stdin.fileno(), 4096)
        if not received:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._close()
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            question, _, count = line.decode().partition(" ")
            if question == "publish":
                task = asyncio.ensure_future(self._publish(EVENT, int(count)))
                self._tasks.add(task)
                task.add_done_callback(self._published)
            else:
                print(json.dumps(self._answers[question]()), flush=True)

    def _published(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        task.result()


async def serve(opening: AbstractAsyncContextManager[Broadcast]) -> None:
    """Serve an app on a free port until standard input ends."""
    async with opening as broadcast:
        config = uvicorn.Config(
            broadcast.app,
            http="httptools",
            ws="none",
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)

        def close() -> None:
            server.should_exit = True

        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
            Console(broadcast, close)
            print(listener.getsockname()[1], flush=True)
            await server.serve(sockets=[listener])


@asynccontextmanager
async def _mute(app: ASGIApp) -> AsyncIterator[Broadcast]:
    """Give the broadcast of an app that streams by itself."""

    async def publish(text: str, count: int) -> None:
        raise ValueError("this app has no clients to publish to")

    yield Broadcast(app, publish)


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help="module of a peer, or with --broadcast of a broadcaster")
    parser.add_argument("loop")
    parser.add_argument("events", type=int, nargs="?", default=1)
    parser.add_argument("--open-ended", action="store_true")
    parser.add_argument("--window", type=float)
    parser.add_argument("--ping", type=float)
    parser.add_argument("--broadcast", action="store_true")
    parser.add_argument("--redis", help="the server that the hub shares with others")
    parser.add_argument("--advised", action="store_true", help="have few pauses for garbage")
    options = parser.parse_args()
    if options.advised:
        follow_advice()
    if options.redis:
        opening = through_redis(options.redis).open()
    elif options.broadcast:
        opening = load_broadcaster(options.peer).open()
    else:
        plan = Plan(
            options.events,
            open_ended=options.open_ended,
            window=options.window,
            ping=options.ping,
        )
        opening = _mute(load(options.peer).serve(plan))
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_factory(options.loop)) as runner:
        runner.run(serve(opening))


if __name__ == "__main__":
    main()
