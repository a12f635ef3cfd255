"""Tokens of an LLM that survive a reload: a task writes the answer, and any stream reads it.

Run: hypercorn examples.llm_tokens:app
Try: curl -N "localhost:8000/answers/1?prompt=why", break it off, and again. The client names its
     answer, crypto.randomUUID() in a page, so that a request that is repeated is the same answer.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.broadcast import Hub, MemoryBackend

hub = Hub(MemoryBackend(max_events=100_000, max_age=600))
begins: dict[str, str | None] = {}  # each answer's place in the log; real ones are in a database
ends: dict[str, str] = {}


async def generate(prompt: str) -> AsyncIterator[str]:  # stands in for the client of a model
    for word in f"You ask: {prompt}? Let me think about it.".split():
        await anyio.sleep(0.2)
        yield f"{word} "


async def write(answer: str, prompt: str) -> None:
    last = {"event": "done", "data": "complete"}
    try:
        async for token in generate(prompt):
            await hub.publish(answer, {"event": "token", "data": token})
    except Exception as error:  # one answer's, and no other's
        last["data"] = f"failed: {error}"
    ends[answer] = await hub.publish(answer, last)


async def read(connection: Connection) -> AsyncIterator[object]:
    answer, seen = connection.path_params["answer"], connection.last_event_id
    if seen is not None and seen == ends.get(answer):
        raise Refusal(204)  # this client has it all: a browser does not come back after a 204
    if answer not in begins:
        begins[answer] = hub.position()
        connection.state["tasks"].start_soon(write, answer, connection.query.get("prompt", ""))
    async for batch in hub.subscribe(answer, last_event_id=seen or begins[answer]):
        yield batch
        if b"\nevent: done\n" in batch.body:
            return


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    async with hub, anyio.create_task_group() as tasks:
        yield {"tasks": tasks}
        tasks.cancel_scope.cancel()


app = Starlette(lifespan=lifespan, routes=[Route("/answers/{answer}", EventSourceApp(read))])
