"""The progress of a job: it survives a reload, and ends with a final event.

Run: hypercorn examples.job_progress:app
Try: curl -N localhost:8000$(curl -sX POST localhost:8000/jobs), and the same path again
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.broadcast import Hub

hub = Hub()
ends: dict[str, str] = {}  # the ID of each job's last event; real jobs are in a database


async def work(job: str) -> None:
    for percent in range(0, 100, 5):
        await hub.publish(job, {"event": "progress", "data": {"percent": percent}})
        await anyio.sleep(0.2)
    ends[job] = await hub.publish(job, {"event": "done", "data": {"result": 42}})


async def start(request: Request) -> PlainTextResponse:
    job = secrets.token_hex(8)
    request.state.tasks.start_soon(work, job)  # it goes on when nobody watches
    return PlainTextResponse(f"/jobs/{job}", 202)


async def watch(connection: Connection) -> AsyncIterator[object]:
    job, seen = connection.path.strip("/"), connection.last_event_id
    log = hub.snapshot()
    if job not in log.topics:
        raise Refusal(404, "no such job, or it ended long ago")
    if seen is not None and seen == ends.get(job):
        raise Refusal(204)  # this client has it all: a browser does not come back after a 204
    since = seen or log.oldest  # a page that was reloaded begins with the newest event
    async for batch in hub.subscribe(job, last_event_id=since, keep_latest=lambda _: job):
        yield batch
        if b"\nevent: done\n" in batch.body:
            return


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    async with hub, anyio.create_task_group() as tasks:
        yield {"tasks": tasks}
        tasks.cancel_scope.cancel()


app = Starlette(lifespan=lifespan)
app.add_route("/jobs", start, ["POST"])
app.mount("/jobs", EventSourceApp(watch))
