"""Bare ASGI apps to test the test client with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EVENT_STREAM = [(b"content-type", b"text/event-stream")]


async def start(
    send: Send, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = EVENT_STREAM
) -> None:
    """Send the head of a response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Send, data: bytes, *, more: bool = True) -> None:
    """Send a piece of the body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def disconnected(receive: Receive) -> None:
    """Wait for the client to leave."""
    while (await receive())["type"] != "http.disconnect":
        pass


def finite(*blocks: bytes) -> App:
    """Return an app that sends the blocks, each in a message of its own, and ends."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for block in blocks:
            await body(send, block)
        await body(send, b"", more=False)

    return app


def endless(*blocks: bytes) -> App:
    """Return an app that sends the blocks and then waits for the client to leave."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for block in blocks:
            await body(send, block)
        await disconnected(receive)

    return app


class Ticker:
    """An app that streams numbered events without end, and shows what becomes of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.scopes: list[Scope] = []
        self.closed = False
        self.cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.closed = False
        headers = dict(scope["headers"])
        first = int(headers.get(b"last-event-id", b"-1")) + 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, receive, tasks.cancel_scope)
                await self._stream(send, first)
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise
        finally:
            self.closed = True

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        await disconnected(receive)
        scope.cancel()

    async def _stream(self, send: Send, number: int) -> None:
        await start(send)
        while True:
            await body(send, b"id: %d\ndata: tick %d\n\n" % (number, number))
            number += 1
            self.sent += 1
            await anyio.sleep(0.001)
