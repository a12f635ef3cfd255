"""A stream without this library: what servers do by themselves."""

from __future__ import annotations

from typing import Any

import anyio

__all__ = ["app"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send one event and no more, and be deaf to everything."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    more = scope["path"] == "/stream"
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": more})
    if more:
        await anyio.sleep_forever()
