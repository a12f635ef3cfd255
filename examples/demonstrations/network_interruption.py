# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""A bad network: a proxy cuts, stalls and resets connections, and the client loses no event.

Run: python examples/demonstrations/network_interruption.py
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, MessageEvent
from sse_asgi.broadcast import Hub, Subscription

from stage import PATIENCE, read_events, say, serving

SILENCE = 2.0  # seconds; the server sends a ping after each 0.5 s of silence


# -- the server --------------------------------------------------------------------------------

hub = Hub()


enough = anyio.Event()


async def publish_numbers() -> None:
    """Publish fifty numbers a second, whether or not a client is there."""
    number = 0
    while not enough.is_set():
        number += 1
        await hub.publish("numbers", str(number))
        await anyio.sleep(0.02)
    await hub.publish("numbers", str(number + 1), last=True)


async def finish(request: Request) -> Response:
    enough.set()
    return Response(status_code=204)


def listen(connection: Connection) -> Subscription:
    return hub.subscribe("numbers", last_event_id=connection.last_event_id, start="oldest")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with hub, anyio.create_task_group() as tasks:
        tasks.start_soon(publish_numbers)
        yield
        tasks.cancel_scope.cancel()


routes = [Route("/", EventSourceApp(listen, ping=0.5)), Route("/finish", finish, methods=["POST"])]
app = Starlette(lifespan=lifespan, routes=routes)


# -- the network -------------------------------------------------------------------------------


class Proxy:
    """Passes bytes between one client at a time and the server, and fails on demand."""

    def __init__(self, server: httpx.URL) -> None:
        self._server = server
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._stalled = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client with the server."""
        self._tasks.add(asyncio.current_task())
        answers, requests = await asyncio.open_connection(self._server.host, self._server.port)
        self._writers = [writer, requests]
        self._stalled = False
        await asyncio.gather(self._pass(reader, requests), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self._stalled:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Cut the last connection, and wait until nothing is passed any more."""
        self.cut()
        await asyncio.wait(filter(None, self._tasks))

    def cut(self) -> None:
        """Close both connections in the regular way."""
        for writer in self._writers:
            writer.close()

    def stall(self) -> None:
        """Keep both connections, and drop all bytes from now on."""
        self._stalled = True

    def reset(self) -> None:
        """Break both connections off with a reset."""
        for writer in self._writers:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


# -- the demonstration -------------------------------------------------------------------------


class Reader:
    """A client that reconnects with the last event ID until it has the last event."""

    def __init__(self, proxy: Proxy, url: str) -> None:
        self._url = url
        self._faults = [proxy.cut, proxy.stall, proxy.reset]
        self._left = 20  # events until the next fault
        self._last_event_id = ""
        self.numbers: list[int] = []
        self.has_seen_all_faults = asyncio.Event()

    async def read_all(self) -> None:
        """Read on as many connections as it takes, until a stream ends cleanly."""
        timeout = httpx.Timeout(10, read=SILENCE)
        async with httpx.AsyncClient(timeout=timeout) as client:
            while True:
                try:
                    async for event in read_events(client, self._url, self._last_event_id):
                        self._take(event)
                    return
                except httpx.HTTPError as exc:
                    say(f"    The client notices: {type(exc).__name__}. It reconnects.")
                    self._left = 20

    def _take(self, event: MessageEvent) -> None:
        self._last_event_id = event.id
        if event.event == "position":
            had, missed = len(self.numbers), event.json()["missed"]
            say(f"    The stream begins. The client has {had} events, and missed {missed}.")
            return
        self.numbers.append(int(event.data))
        self._left -= 1
        if not self._left and not self._faults:
            self.has_seen_all_faults.set()
        elif not self._left:
            fault = self._faults.pop(0)
            say(f"* The network fails: {fault.__name__}.")
            fault()


async def demonstrate(url: str) -> list[int]:
    """Read all events through the proxy, and return their numbers."""
    proxy = Proxy(httpx.URL(url))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader = Reader(proxy, f"http://127.0.0.1:{port}/")
    reading = asyncio.create_task(reader.read_all())
    await reader.has_seen_all_faults.wait()
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        await client.post(f"{url}/finish")
    await reading
    server.close()
    await proxy.close()
    return reader.numbers


def main() -> None:
    with serving("network_interruption:app") as server:
        say("A server publishes events. A client reads them through a bad network.")
        numbers = asyncio.run(demonstrate(server.url))
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    say(f"{len(numbers)} events arrived: each once, in order, and none is lost.")


if __name__ == "__main__":
    main()
