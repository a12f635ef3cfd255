# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""The server stops while streams are open: each client gets a last word and a clean end.

Run: python examples/demonstrations/graceful_shutdown.py
"""

import signal
import subprocess
from collections.abc import AsyncIterator

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp

from stage import PATIENCE, Server, read_events, say, serving

CLIENTS = 20


# -- the server --------------------------------------------------------------------------------


async def prices(connection: Connection) -> AsyncIterator[dict[str, object]]:
    """Send prices until the server stops, and then a last word."""
    number = 0
    while not connection.shutdown.is_set():
        number += 1
        yield {"event": "price", "data": number, "id": str(number)}
        with anyio.move_on_after(0.1):
            await connection.shutdown.wait()
    yield {"event": "bye", "data": "back in a moment"}


async def plain(request: Request) -> StreamingResponse:
    """Stream without this library: nothing tells the content that the server stops."""

    async def lines() -> AsyncIterator[str]:
        while True:
            yield "data: 1\n\n"
            await anyio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/event-stream")


app = Starlette(routes=[Route("/prices", EventSourceApp(prices)), Route("/plain", plain)])


# -- the demonstration -------------------------------------------------------------------------


class Clients:
    """Clients that read until their streams end."""

    def __init__(self) -> None:
        self.reading = 0
        self.ends: list[str] = []
        self.all_read = anyio.Event()

    async def read(self, client: httpx.AsyncClient, url: str) -> None:
        """Read one stream to its end, and note how it ended."""
        last = ""
        try:
            async for event in read_events(client, url):
                if not last:
                    self.reading += 1
                    if self.reading == CLIENTS:
                        self.all_read.set()
                last = event.event
        except httpx.HTTPError as exc:
            self.ends.append(f"broken off: {exc}")
        else:
            self.ends.append(last)


async def with_library(server: Server) -> None:
    clients = Clients()
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(CLIENTS):
            tasks.start_soon(clients.read, client, f"{server.url}/prices")
        await clients.all_read.wait()
        say(f"{CLIENTS} clients read. The server gets SIGTERM.")
        seconds = await anyio.to_thread.run_sync(server.stop)
    say(f"The server took {seconds:.2f} s to stop.")
    byes = clients.ends.count("bye")
    say(f"{byes} of {CLIENTS} streams ended cleanly, with the event 'bye' as their last.")
    assert byes == CLIENTS, clients.ends


def without_library(server: Server) -> None:
    with httpx.stream("GET", f"{server.url}/plain", timeout=PATIENCE) as response:
        parts = response.iter_raw()
        next(parts)
        say("For comparison, one client reads a plain StreamingResponse. The server gets SIGTERM.")
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(2)
        except subprocess.TimeoutExpired:
            say("After 2 s the server still waits for the stream. It would wait forever.")
        else:
            say("The server has stopped.")


def main() -> None:
    with serving("graceful_shutdown:app") as server:
        anyio.run(with_library, server)
    with serving("graceful_shutdown:app") as server:
        without_library(server)


if __name__ == "__main__":
    main()
