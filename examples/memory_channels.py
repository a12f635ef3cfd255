# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""A memory channel instead of a generator: two tasks write to one stream, and neither overruns it.

Run: python examples/memory_channels.py    Try: curl -N localhost:8000/events
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import uvicorn
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, ServerSentEvent

Sender = MemoryObjectSendStream[ServerSentEvent]
Receiver = MemoryObjectReceiveStream[ServerSentEvent]


async def measure(sensor: str, pause: float, sender: Sender) -> None:
    with suppress(anyio.BrokenResourceError):  # the client has left: nobody receives any more
        async with sender:
            for number in range(1000):
                data = {"sensor": sensor, "number": number}
                await sender.send(ServerSentEvent(data, event="reading"))  # waits while it is full
                await anyio.sleep(pause)
    print(f"{sensor} stopped", flush=True)


def readings(connection: Connection) -> Receiver:
    sender, receiver = anyio.create_memory_object_stream[ServerSentEvent](max_buffer_size=10)
    tasks = connection.state["tasks"]
    with sender:  # each task has a clone; the stream ends when the last clone is closed
        tasks.start_soon(measure, "heat", 0.2, sender.clone())
        tasks.start_soon(measure, "light", 0.3, sender.clone())
    return receiver  # the library closes it when the stream ends


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    async with anyio.create_task_group() as tasks:
        yield {"tasks": tasks}
        tasks.cancel_scope.cancel()


app = Starlette(lifespan=lifespan, routes=[Route("/events", EventSourceApp(readings))])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
