"""Clients that stop reading, so that a visitor sees how the library ends them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Any, Final

import anyio

from .. import Connection, EventSourceApp, StreamSummary

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

__all__ = ["MOST", "Stalls"]

MOST: Final = 3
"""Stalled clients at a time, of all visitors together."""

_TAKES: Final = 5
"""Messages that a client takes before it stops reading."""

_LONGEST: Final = 15.0
"""Seconds after which a client leaves, even if no message came that it could refuse to take."""


class Stalls:
    """Runs clients that stop reading, inside this process, on streams like those of the pages.

    The server's buffers and those of the network would hold minutes of this signal before a real
    client's silence reached the application. A client in the process has no such buffers.

    :param handler: returns the content of a stream
    """

    send_timeout: float = 3.0  # seconds

    def __init__(self, handler: Callable[[Connection], AsyncIterable[object]]) -> None:
        self._handler = handler
        self._apps: set[EventSourceApp] = set()

    async def run(self) -> StreamSummary | None:
        """Run one client until its stream has ended, and return the account of the stream.

        None: there are enough stalled clients already.
        """
        if len(self._apps) >= MOST:
            return None
        ends: list[StreamSummary] = []
        client = _Client(self._handler)
        app = EventSourceApp(
            client.follow,
            send_timeout=self.send_timeout,
            shutdown_grace=0,
            on_close=ends.append,
        )
        self._apps.add(app)
        try:
            with anyio.move_on_after(_LONGEST):
                await app(_scope(), client.receive, client.send)
        finally:
            self._apps.discard(app)
        return ends[0] if ends else None

    def drain(self) -> None:
        """End all of these streams as the server's shutdown does."""
        for app in self._apps:
            app.drain()


class _Client:
    """Takes some messages of a response, and then no more until the server stops.

    It never leaves. A server that stops would wait a second for it, so it reads the end.
    """

    def __init__(self, handler: Callable[[Connection], AsyncIterable[object]]) -> None:
        self._handler = handler
        self._connection: Connection | None = None
        self._taken = 0

    def follow(self, connection: Connection) -> AsyncIterable[object]:
        """Return the content, and note where the server gives notice of its end."""
        self._connection = connection
        return self._handler(connection)

    async def receive(self) -> Any:
        await anyio.sleep_forever()

    async def send(self, message: Any) -> None:
        if self._taken >= _TAKES and self._connection is not None:
            await self._connection.shutdown.wait()
        self._taken += 1


def _scope() -> HTTPScope:
    """Return a request that shares nothing with the visitor's, whose connection must stay open."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
        "extensions": {},
    }
