"""Servers in threads of one process, where no signal can reach them.

``python -m tests.servers.threaded SERVER PORT PORT`` serves on two ports, each with an event loop
in a thread of its own; ``/control/stop?server=0`` makes the host stop one of them, in its own way,
and ``/control/again?server=0`` starts it anew. The process ends with the last one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qs

import anyio
import hypercorn.asyncio
import hypercorn.config
import hypercorn.trio
import uvicorn

from .ending_app import EndingApp


class Runner(Protocol):
    """A server of one kind."""

    def run(self) -> None:
        """Serve until stopped."""

    def stop(self) -> None:
        """Have it stop, from any thread."""


class Uvicorn:
    """uvicorn; it looks at its flag every 0.1 s."""

    def __init__(self, app: Any, port: int) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))

    def run(self) -> None:
        """Serve until stopped."""
        self._server.run()

    def stop(self) -> None:
        """Have it stop, from any thread."""
        self._server.should_exit = True


class Hypercorn:
    """hypercorn on asyncio or on trio, with its own way to be told."""

    def __init__(self, app: Any, port: int, backend: str) -> None:
        self._app = app
        self._backend = backend
        self._stop = threading.Event()
        self._config = hypercorn.config.Config()
        self._config.bind = [f"127.0.0.1:{port}"]

    def run(self) -> None:
        """Serve until stopped."""
        anyio.run(self._serve, backend=self._backend)

    async def _serve(self) -> None:
        module = hypercorn.trio if self._backend == "trio" else hypercorn.asyncio
        serve: Callable[..., Awaitable[None]] = module.serve
        await serve(self._app, self._config, shutdown_trigger=self._stopped)

    async def _stopped(self) -> None:
        while not self._stop.is_set():  # noqa: ASYNC110 (another thread sets it)
            await anyio.sleep(0.05)

    def stop(self) -> None:
        """Have it stop, from any thread."""
        self._stop.set()


class Host:
    """Runs the servers, and is told by requests what to do with them."""

    def __init__(self, kind: str, ports: list[int]) -> None:
        self._kind = kind
        self._ports = ports
        self._streams = EndingApp()
        self._runners = [self._new(port) for port in ports]
        self._threads = [threading.Thread(target=runner.run) for runner in self._runners]

    def _new(self, port: int) -> Runner:
        if self._kind == "uvicorn":
            return Uvicorn(self, port)
        return Hypercorn(self, port, self._kind.removeprefix("hypercorn-"))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stop or start a server, or stream."""
        if scope["type"] == "http" and scope["path"].startswith("/control/server-"):
            number = int(parse_qs(scope["query_string"].decode())["server"][0])
            if scope["path"] == "/control/server-stop":
                self._runners[number].stop()
            else:
                await anyio.to_thread.run_sync(self._threads[number].join)
                self._runners[number] = self._new(self._ports[number])
                self._threads[number] = threading.Thread(target=self._runners[number].run)
                self._threads[number].start()
            scope = {**scope, "path": "/control/"}
        await self._streams(scope, receive, send)

    def run(self) -> None:
        """Serve until the last server has stopped."""
        for thread in self._threads:
            thread.start()
        for number in range(len(self._threads)):
            self._threads[number].join()


if __name__ == "__main__":
    Host(sys.argv[1], [int(port) for port in sys.argv[2:]]).run()
