# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "fastapi", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""An answer of a language model in FastAPI: it outlives reloads, has any number of tabs, and stops.

Run: python examples/fastapi_runs.py    Try: http://localhost:8000, and reload in mid-answer
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse

from sse_asgi import Refusal
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, refuse
from sse_asgi.broadcast import Hub, Runs

runs = Runs(Hub())
Source = Annotated[EventSource, Depends(EventSource.of)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with runs.hub, runs:
        yield


app = FastAPI(lifespan=lifespan)
app.add_exception_handler(Refusal, refuse)
app.get("/")(lambda: FileResponse(Path(__file__).with_suffix(".html")))
app.delete("/answers/{id}")(runs.stop)


async def generate(prompt: str) -> AsyncIterator[str]:  # stands in for the client of a model
    for word in f"You ask: {prompt}".split():
        await anyio.sleep(0.1)
        yield f"{word} "


@app.post("/answers/{answer}")
async def start(answer: str, prompt: str) -> str:
    return await runs.start(answer, generate(prompt))


@app.get("/answers/{answer}")
async def follow(answer: str, source: Source) -> EventSourceResponse:
    return source.respond(runs.follow(answer, last_event_id=source.last_event_id))


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
