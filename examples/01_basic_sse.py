# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""The first stream: a page counts to ten, goes on after a cut, and stops.

Run: python examples/01_basic_sse.py
Try: http://localhost:8000/, or curl -N localhost:8000/events
"""

import os
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, ServerSentEvent, done

PAGE = """<!doctype html><meta charset="utf-8"><title>Ten ticks</title><ol id="list"></ol><script>
const source = new EventSource("/events");
source.addEventListener("tick", (event) => {
  const { n } = JSON.parse(event.data);
  list.append(Object.assign(document.createElement("li"), { textContent: `tick ${n}` }));
});
source.addEventListener("done", () => source.close());
</script>"""


async def count(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    seen = int(connection.last_event_id or 0)  # the browser sends the last ID that it got
    for n in range(seen + 1, 11):
        yield ServerSentEvent({"n": n}, event="tick", id=str(n))
        await anyio.sleep(0.5)
    yield done("that was all")


app = Starlette(
    routes=[
        Route("/", lambda request: HTMLResponse(PAGE)),
        Route("/events", EventSourceApp(count)),
    ],
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
