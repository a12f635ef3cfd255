# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "blacksheep", "falcon", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Any ASGI framework: a mounted sub-app (BlackSheep), a response's body (Falcon), or neither.

Run: python examples/any_framework.py
Try: curl -N localhost:8000/mounted, /falcon/body and /beside
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import anyio
import falcon.asgi
import uvicorn
from blacksheep import Application

from sse_asgi import EventSourceApp
from sse_asgi.adapters.body import EventBody


async def ticks(name: str) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await anyio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


class Responder:
    # Falcon does not watch for the client's leaving, so the body does, with receive.
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        body = EventBody(ticks(name), req.scope, receive=req.scope["receive"])
        body.begin()
        resp.status, resp.stream = body.status, body
        resp.set_headers(body.headers)


# An ASGI application like any other.
stream = EventSourceApp(lambda connection: ticks(connection.query.get("name", "beside")))
mounting = Application()
mounting.mount("/mounted", stream)
streaming = falcon.asgi.App()
streaming.add_route("/falcon/{name}", Responder())


async def app(scope: Any, receive: Any, send: Any) -> None:
    path = scope.get("path", "")  # the lifespan has none
    if path == "/beside":
        await stream(scope, receive, send)
    elif path.startswith("/falcon/"):
        await streaming({**scope, "receive": receive}, receive, send)
    else:
        await mounting(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
