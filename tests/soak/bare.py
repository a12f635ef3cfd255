"""The same numbers without this library, by hand: what grows here is the server's.

It knows ``/numbers``, ``/counted``, ``/flood``, ``/measure`` and ``/stop`` as :mod:`.app` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from .numbers import KEPT, Numbers, counted, flood
from .sample import answer_sample

__all__ = ["app"]


class Log:
    """The newest numbers, and an event for those who wait for the next one."""

    def __init__(self) -> None:
        self.open = 0
        self.numbers = Numbers(self._publish)
        self._blocks: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._changed = anyio.Event()

    async def _publish(self, number: int, text: str) -> None:
        self._blocks.append((number, f"id: {number}\ndata: {text}\n\n".encode()))
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def follow(self, after: int | None) -> AsyncIterator[bytes]:
        """Yield the blocks after a number, or those that come."""
        seen = self.numbers.published - 1 if after is None else after
        while True:
            changed = self._changed
            for number, block in [pair for pair in self._blocks if pair[0] > seen]:
                yield block
                seen = number
            await changed.wait()


log = Log()


async def encoded_count(first: int) -> AsyncIterator[bytes]:
    async for event in counted(first):
        yield f"id: {event['id']}\ndata: {event['data']}\n\n".encode()


async def encoded_flood() -> AsyncIterator[bytes]:
    async for text in flood():
        yield f"data: {text}\n\n".encode()
        await checkpoint()  # once the client has gone, no ``send`` of uvicorn's waits


def content_of(scope: Any) -> AsyncIterator[bytes]:
    given = dict(scope["headers"]).get(b"last-event-id", b"")
    last = int(given) if given else None
    if scope["path"] == "/numbers":
        return log.follow(last)
    if scope["path"] == "/flood":
        return encoded_flood()
    return encoded_count(0 if last is None else last + 1)


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Send the content until it ends or the client leaves."""
    log.open += 1
    try:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, receive, tasks.cancel_scope)
            async for block in content_of(scope):
                await send({"type": "http.response.body", "body": block, "more_body": True})
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})
    finally:
        log.open -= 1


HEADERS = [(b"content-type", b"text/event-stream")]


async def watch(receive: Any, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route; publish for as long as the server runs."""
    if scope["type"] == "lifespan":
        await receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.numbers.run)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            tasks.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] in ("/numbers", "/counted", "/flood"):
        await stream(scope, receive, send)
    else:
        is_stop = scope["path"] == "/stop"
        body = (
            str(await log.numbers.stop())
            if is_stop
            else answer_sample(streams=log.open, events=log.numbers.published)
        ).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
