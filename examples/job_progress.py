# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""The progress of a job: it survives a reload, ends with its result, and can be stopped.

Run: python examples/job_progress.py
Try: curl -N localhost:8000$(curl -sX POST localhost:8000/jobs), and the same path again, or with
     -X DELETE
"""

import os
import secrets
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal, Runs
from sse_asgi.adapters.starlette import refuse
from sse_asgi.broadcast import Hub, Subscription

runs = Runs(Hub())


async def work() -> AsyncIterator[dict[str, object]]:
    for percent in range(0, 100, 5):
        yield {"event": "progress", "data": {"percent": percent}}
        await anyio.sleep(0.2)
    yield {"event": "done", "data": {"result": 42}}


async def start(request: Request) -> PlainTextResponse:
    job = await runs.start(secrets.token_hex(8), work())  # it goes on when nobody watches
    return PlainTextResponse(f"/jobs/{job}", 202)


async def stop(request: Request) -> PlainTextResponse:
    return PlainTextResponse((await runs.stop(request.path_params["job"])).state)


def watch(connection: Connection) -> Subscription:
    job, seen = connection.path_params["job"], connection.last_event_id
    # A page that was reloaded begins with the newest event of each kind.
    return runs.follow(job, last_event_id=seen, keep_latest=lambda entry: entry.event.event)


routes = [
    Route("/jobs", start, methods=["POST"]),
    Route("/jobs/{job}", stop, methods=["DELETE"]),
    Route("/jobs/{job}", EventSourceApp(watch)),
]
app = Starlette(lifespan=runs.lifespan, routes=routes, exception_handlers={Refusal: refuse})
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
