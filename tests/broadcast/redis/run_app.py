"""One of several workers that produce and follow runs on one log.

``POST /runs/ID?count=N`` starts a run that counts to N, ``GET`` follows it, ``DELETE`` stops it and
answers with its state, and ``GET /states/ID`` tells its state. ``GET /cleaned`` tells how many
producers have cleaned up. The pause between two numbers is in the environment.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import anyio

from sse_asgi import EventSourceApp, Refusal
from sse_asgi.broadcast import Hub, Runs, RunState
from sse_asgi.broadcast.backends.redis import RedisBackend

__all__ = ["app"]

PAUSE = float(os.environ.get("TEST_PAUSE", "0.02"))

hub = Hub(
    RedisBackend(os.environ["TEST_REDIS_URL"], name=os.environ["TEST_REDIS_LOG"], block=0.5)
    if "TEST_REDIS_URL" in os.environ
    else None
)
runs = Runs(hub, lease=float(os.environ.get("TEST_LEASE", "2")), grace=3.0)
follow = EventSourceApp(lambda c: runs.follow(run_of(c.path), last_event_id=c.last_event_id))
cleaned: list[str] = []


def run_of(path: str) -> str:
    """Return the ID in a path."""
    return path.rpartition("/")[2]


async def count(run: str, to: int) -> AsyncIterator[str]:
    """Produce numbers, slowly."""
    try:
        for number in range(to):
            yield str(number)
            await anyio.sleep(PAUSE)
    finally:
        cleaned.append(run)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route; run the hub and the runs for as long as the server runs."""
    if scope["type"] == "lifespan":
        async with hub, runs:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        # Only now: a server ends its process as soon as it is told.
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["method"] == "GET" and scope["path"].startswith("/runs/"):
        await follow(scope, receive, send)
    else:
        try:
            status, body = 200, await answer(scope)
        except Refusal as exc:
            status, body = exc.status, exc.body.decode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


async def answer(scope: Any) -> str:
    """Do what a request asks for; return the text of the answer."""
    run = run_of(scope["path"])
    if scope["method"] == "POST":
        query = parse_qs(scope["query_string"].decode())
        return await runs.start(run, count(run, int(query["count"][0])))
    if scope["method"] == "DELETE":
        return words(await runs.stop(run))
    if scope["path"] == "/cleaned":
        return str(len(cleaned))
    return words(await runs.state(run))


def words(state: RunState) -> str:
    """Return a state in words."""
    return f"{state.state} {state.reason}"
