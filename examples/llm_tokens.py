# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "fastapi", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""An LLM's answer: started once, read in any tab, whole after a reload, stopped by a button.

Run: python examples/llm_tokens.py    Try: http://localhost:8000, and reload it while it answers
"""

import os
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from sse_asgi import Refusal, Runs
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, refuse
from sse_asgi.broadcast import Hub

PAGE = """<input id="ask"> <button id="halt">Stop</button> <pre id="out"></pre><script>
const url = () => "/answers/" + location.hash.slice(1), read = () => new EventSource(url())
  .addEventListener("token", (event) => out.append(event.data));
ask.onchange = async () => { location.hash = crypto.randomUUID(); out.textContent = "";
  await fetch(url() + "?prompt=" + encodeURIComponent(ask.value), { method: "POST" }); read(); };
halt.onclick = () => fetch(url(), { method: "DELETE" });
if (location.hash) read();</script>"""
runs = Runs(Hub())  # with a RedisBackend, any number of workers


async def generate(prompt: str) -> AsyncIterator[dict[str, str]]:  # stands in for a model
    for word in f"You ask: {prompt}? Let me think about it.".split():
        await anyio.sleep(0.2)
        yield {"event": "token", "data": f"{word} "}


app = FastAPI(lifespan=runs.lifespan, exception_handlers={Refusal: refuse})
app.get("/", response_class=HTMLResponse)(lambda: PAGE)


@app.post("/answers/{answer}")
async def start(answer: str, prompt: str) -> str:
    return await runs.start(answer, generate(prompt))


@app.delete("/answers/{answer}")
async def stop(answer: str) -> str:
    return (await runs.stop(answer)).state


@app.get("/answers/{answer}")
async def follow(
    answer: str, source: Annotated[EventSource, Depends(EventSource.of)]
) -> EventSourceResponse:
    return source.respond(runs.follow(answer, last_event_id=source.last_event_id))


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
