"""A stream without this library: what servers do by themselves."""

from __future__ import annotations

from typing import Any

import anyio

__all__ = ["app"]

FLOOD_PIECES = 64


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Send one event, or first 4 MiB, and be deaf to everything; ``/told`` hears of the end."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/flood":
        for _ in range(FLOOD_PIECES):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        print("swallowed", flush=True)
    more = scope["path"] in ("/stream", "/told")
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": more})
    if scope["path"] == "/told":
        while (await receive())["type"] != "http.disconnect":
            pass
        print("told", flush=True)
    elif more:
        await anyio.sleep_forever()
