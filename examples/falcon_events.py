"""Falcon: a sink that streams.

Run: uvicorn examples.falcon_events:app    Try: curl -N localhost:8000/events/a
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import falcon.asgi

from sse_asgi.adapters.body import EventBody


async def ticks(name: str) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await asyncio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


class Index:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.text = "an ordinary route"


async def events(req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
    body = EventBody(ticks(name), req.scope, receive=req.scope["receive"])
    body.begin()
    resp.status = body.status
    for header, value in body.headers:
        resp.set_header(header, value)
    resp.stream = body


class App(falcon.asgi.App):
    """Falcon does not watch for the client's leaving, so the stream does, with ``receive``."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__({**scope, "receive": receive}, receive, send)


app = App()
app.add_route("/", Index())
app.add_sink(events, r"/events/(?P<name>\w+)")
