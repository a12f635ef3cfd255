# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""A relay: IDs go through in both directions, and the upstream stream ends with its client.

Run: python examples/relay.py    Try: curl -N localhost:8000/relay, break it off, and
     curl -N localhost:8000/relay -H "Last-Event-ID: 5". UPSTREAM is the address of another stream.
"""

import os
from collections.abc import AsyncIterator

import anyio
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventDecoder, EventSourceApp, Refusal, ServerSentEvent

PORT = int(os.environ.get("PORT", "8000"))
UPSTREAM = os.environ.get("UPSTREAM", f"http://127.0.0.1:{PORT}/upstream")
TIMEOUT = httpx.Timeout(5, read=60)  # the upstream server sends a ping more often than that


async def relay(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    seen = connection.last_event_id or ""
    headers = {b"accept": b"text/event-stream", b"last-event-id": seen.encode()}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT) as client,  # left when our client leaves
        client.stream("GET", UPSTREAM, headers=headers) as response,
    ):
        if response.status_code == 204:
            raise Refusal(204)  # nothing more will come: it holds for our client, too
        if response.status_code != 200:
            raise Refusal(502, f"upstream answered {response.status_code}")
        decoder = EventDecoder(last_event_id=seen)
        async for part in response.aiter_bytes():
            for event in decoder.feed(part):
                yield ServerSentEvent(event.data, event=event.event, id=event.id or None)


async def upstream(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    first = int(connection.last_event_id or 0) + 1
    print(f"upstream begins at {first}", flush=True)
    try:
        for number in range(first, first + 1000):
            yield ServerSentEvent({"number": number}, event="tick", id=str(number))
            await anyio.sleep(0.2)
    finally:
        print("upstream ended", flush=True)


routes = [Route("/relay", EventSourceApp(relay)), Route("/upstream", EventSourceApp(upstream))]
app = Starlette(routes=routes)
if __name__ == "__main__":
    uvicorn.run(app, port=PORT)
