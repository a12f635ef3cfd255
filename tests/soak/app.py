"""The application that is soaked, in a server's process.

``/numbers`` streams what a publisher publishes, ``/counted`` numbers of a generator, in a thread
with ``?thread=1``, ``/flood`` more than a client takes. ``POST /runs/ID`` starts a run, ``GET``
follows it, ``DELETE`` stops it. ``/measure`` tells what the process holds; ``/stop`` stops the
publisher, and tells how many numbers there were.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.broadcast import Hub, MemoryBackend, Runs
from sse_asgi.broadcast.log.lifetimes import MOST_MARKS
from sse_asgi.errors import PublishError

from .numbers import KEPT, Numbers, counted, counted_in_thread, flood
from .sample import answer_sample

__all__ = ["app"]

REDIS: Final = os.environ.get("SOAK_REDIS_URL", "")
NAME: Final = os.environ.get("SOAK_NAME", "soak")
KEPT_OF_RUNS: Final = 1024
STEPS_OF_RUN: Final = 12
PAUSE_OF_RUN: Final = 0.25
FILL: Final = 64
"""Publications at a time while the log's memory of runs is filled."""


def new_hub(name: str, kept: int) -> Hub:
    """Return a hub on a log of that name."""
    if not REDIS:
        return Hub(MemoryBackend(max_events=kept))
    from sse_asgi.broadcast.backends.redis import RedisBackend

    backend = RedisBackend(
        REDIS, name=f"{NAME} {name}", block=0.5, max_events=4 * kept, memory_events=kept
    )
    return Hub(backend)


hub: Final = new_hub("numbers", KEPT)
runs: Final = Runs(new_hub("runs", KEPT_OF_RUNS))


async def publish(number: int, text: str) -> None:
    """Publish until the log has confirmed it."""
    # A hub in memory confirms at once, and would remember two minutes of tokens.
    token = f"{NAME} {number}" if REDIS else None
    while True:
        try:
            await hub.publish("numbers", text, token=token)
            return
        except PublishError:
            await anyio.sleep(0.1)


numbers: Final = Numbers(publish)


def follow_numbers(connection: Connection) -> Any:
    return hub.subscribe("numbers", last_event_id=connection.last_event_id)


def count(connection: Connection) -> Any:
    last = connection.last_event_id
    first = int(last) + 1 if last else 0
    return counted_in_thread(first) if "thread" in connection.query else counted(first)


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def follow_run(connection: Connection) -> Any:
    name = name_of(connection.scope["path"])
    return runs.follow(name, last_event_id=connection.last_event_id)


producing: Final[set[object]] = set()
"""Stands for the runs that go on."""


async def steps() -> AsyncIterator[str]:
    """Produce the events of a run."""
    producing.add(run := object())
    try:
        for number in range(STEPS_OF_RUN):
            yield str(number)
            await anyio.sleep(PAUSE_OF_RUN)
    finally:
        producing.discard(run)


STREAMS: Final = {
    "/numbers": EventSourceApp(follow_numbers, compression="auto"),
    "/counted": EventSourceApp(count),
    "/flood": EventSourceApp(lambda connection: flood(), send_timeout=5.0),
    "/runs": EventSourceApp(follow_run),
}


async def fill_memory_of_runs() -> None:
    """Publish as many ends of topics as a log remembers, so that soaking adds none to them."""
    limiter = anyio.CapacityLimiter(FILL)

    async def begin_and_end(number: int) -> None:
        async with limiter:
            await runs.hub.publish(f"run earlier-{number}", "", first=True)
            await runs.hub.publish(f"run earlier-{number}", "", last=True)

    for start in range(0, MOST_MARKS, FILL):
        async with anyio.create_task_group() as tasks:
            for number in range(start, min(start + FILL, MOST_MARKS)):
                tasks.start_soon(begin_and_end, number)


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Run the hubs, the runs and the publisher."""
    async with hub, runs.hub, runs:
        if "SOAK_FILL" in os.environ:
            await fill_memory_of_runs()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(numbers.run)
            yield
            tasks.cancel_scope.cancel()


async def answer(scope: Any) -> str:
    """Do what a request asks for; return the text of the answer."""
    path, method = scope["path"], scope["method"]
    if path == "/measure":
        return answer_sample(
            streams=sum(stream.open for stream in STREAMS.values()),
            runs=len(producing),
            events=numbers.published,
        )
    if path == "/stop":
        return str(await numbers.stop())
    if path.startswith("/runs/") and method == "POST":
        return await runs.start(name_of(path), steps())
    if path.startswith("/runs/") and method == "DELETE":
        return (await runs.stop(name_of(path))).state
    raise Refusal(404)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route; publish for as long as the server runs."""
    if scope["type"] == "lifespan":
        await receive()
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    stream = STREAMS.get("/" + scope["path"].split("/")[1])
    if stream is not None and scope["method"] == "GET":
        await stream(scope, receive, send)
        return
    try:
        status, body = 200, (await answer(scope)).encode()
    except Refusal as exc:
        status, body = exc.status, exc.body
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
