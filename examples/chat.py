# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""A chat: a line that is posted to a room goes to all in it, and to later visitors.

Run: python examples/chat.py    Try: http://localhost:8000/rooms/tea in two windows, or
     curl -N localhost:8000/rooms/tea/events, and curl -d hello localhost:8000/rooms/tea
"""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, MemoryBackend, Subscription

PAGE = """<!doctype html><meta charset="utf-8"><title>Chat</title>
<form id="form"><input id="text" maxlength="1000" autocomplete="off" autofocus></form>
<ol id="lines"></ol>
<script>
new EventSource(location.pathname + "/events").onmessage = (event) => {
  lines.append(Object.assign(document.createElement("li"), { textContent: event.data }));
};
form.onsubmit = (event) => {
  event.preventDefault();
  fetch(location.pathname, { method: "POST", body: text.value });
  form.reset();
};
</script>"""

hub = Hub(MemoryBackend(max_events=1000, max_age=86_400))  # the newest lines, for a day


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def say(request: Request) -> Response:
    line = (await request.body()).decode("utf-8", "replace")
    if not 1 <= len(line) <= 1000:
        return PlainTextResponse("a line has 1 to 1000 characters", 400)
    await hub.publish(request.path_params["room"], line)
    return Response(status_code=204)


def listen(connection: Connection) -> Subscription:
    room, seen = connection.path_params["room"], connection.last_event_id
    return hub.subscribe(room, last_event_id=seen, start="oldest")  # a newcomer gets all lines


routes = [
    Route("/rooms/{room}", page),
    Route("/rooms/{room}", say, methods=["POST"]),
    Route("/rooms/{room}/events", EventSourceApp(listen)),
]
app = Starlette(routes=routes)
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
