# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""Memory channels against generators: speed, a client that leaves, and a client that stalls.

Run: python examples/demonstrations/memory_channels.py
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp

from stage import PATIENCE, Server, open_socket, read_events, say, serving

EVENTS = 20_000
Event = dict[str, object]


# -- the server --------------------------------------------------------------------------------


def event(number: int, connection: Connection) -> Event:
    return {"data": f"{number}" + "x" * int(connection.query.get("size", "0"))}


async def generated(connection: Connection) -> AsyncIterator[Event]:
    """Yield the events: the stream asks for each, so this code runs at the stream's pace."""
    made, count = 0, int(connection.query["count"])
    try:
        for number in range(count):
            made = number + 1
            yield event(number, connection)
    finally:
        if made < count:
            print(f"the generator was closed at its yield; it had made {made} events", flush=True)


async def produce(connection: Connection, sender: MemoryObjectSendStream[Event]) -> None:
    """Send the events: this code runs by itself, and waits while the channel is full."""
    made = 0
    try:
        async with sender:
            for number in range(int(connection.query["count"])):
                made = number + 1
                await sender.send(event(number, connection))
    except anyio.BrokenResourceError:  # the stream has closed its end
        print(f"the producer's send was refused; it had made {made} events", flush=True)


def channel(connection: Connection) -> MemoryObjectReceiveStream[Event]:
    sender, receiver = anyio.create_memory_object_stream[Event](max_buffer_size=100)
    connection.state["tasks"].start_soon(produce, connection, sender)
    return receiver


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    async with anyio.create_task_group() as tasks:
        yield {"tasks": tasks}
        tasks.cancel_scope.cancel()


routes = [
    Route("/generator", EventSourceApp(generated, send_timeout=1)),
    Route("/channel", EventSourceApp(channel, send_timeout=1)),
]
app = Starlette(lifespan=lifespan, routes=routes)


# -- the demonstration -------------------------------------------------------------------------


async def time_one(server: Server, name: str) -> None:
    """Read all events of one stream, and print the time of each."""
    begin, count = time.perf_counter(), 0
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        async for _ in read_events(client, f"{server.url}/{name}?count={EVENTS}"):
            count += 1
    assert count == EVENTS, count
    each = 1e6 * (time.perf_counter() - begin) / EVENTS
    say(f"    {name}: {count} events, {each:.0f} microseconds each, with their way to the client")


async def leave(server: Server, name: str, said: str) -> None:
    """Leave one endless stream after its first bytes."""
    open_socket(server.url, f"/{name}?count=1000000000").close()
    say(f"    {name}: {server.wait_for(said)[0]}")


async def stall(server: Server, name: str, said: str) -> None:
    """Stay, and do not read: the server must not make a backlog."""
    with open_socket(server.url, f"/{name}?count=1000000000&size=10000"):
        say(f"    {name}: {server.wait_for(said, 2)[1]}")


def main() -> None:
    ends = {"generator": "the generator was closed", "channel": "the producer's send"}
    with serving("memory_channels:app") as server:
        say("1. Speed: the same events, from a generator and through a memory channel.")
        for name in ends:
            anyio.run(time_one, server, name)
        steps: list[tuple[str, Callable[[Server, str, str], Awaitable[None]]]] = [
            ("2. The client leaves in the middle.", leave),
            ("3. The client stays and does not read. send_timeout=1 ends the stream.", stall),
        ]
        for text, step in steps:
            say(text)
            for name, said in ends.items():
                anyio.run(step, server, name, said)
    say("Neither makes more events than the connection takes. A generator needs no other task. A")
    say("channel lets several tasks write to one stream, and each of them hears of the end.")


if __name__ == "__main__":
    main()
