"""Requests in process: the receive and send that a server would pass to the app."""

from __future__ import annotations

from typing import Any, Protocol

from .measure import clock
from .peer import ASGIApp

__all__ = ["Exchange", "connections", "request_scope"]

SCOPE = {
    "type": "http",
    # As uvicorn says: an app that wants to know about a disconnect has to listen for it.
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50000),
    "scheme": "http",
    "method": "GET",
    "root_path": "",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
}
HEADERS = (
    (b"host", b"127.0.0.1:8000"),
    (b"accept", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"user-agent", b"Mozilla/5.0"),
)
REQUEST = {"type": "http.request", "body": b"", "more_body": False}
DISCONNECT = {"type": "http.disconnect"}


def request_scope() -> dict[str, Any]:
    """Return the scope of a new request, which the app may change."""
    return {**SCOPE, "headers": [*HEADERS], "state": {}}


class Event(Protocol):
    """What asyncio's and trio's events have in common."""

    def set(self) -> None: ...

    async def wait(self) -> object: ...


class Exchange:
    """One request and its response, of which only the size of the body is kept.

    It decides what any server has to: whether the client is there, how far the response is, and
    what the message says. It writes nothing, so all that is left is the cost of the app.
    """

    __slots__ = ("_asked", "_over", "_started", "_wake", "disconnected", "received")

    def __init__(self, event: Event) -> None:
        self._wake = event
        self._asked = self._started = self._over = False
        self.disconnected = False
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        """Return the request, then block until the response is over."""
        if not self._asked:
            self._asked = True
            return REQUEST
        if not self.disconnected and not self._over:
            await self._wake.wait()
        return DISCONNECT

    async def send(self, message: dict[str, Any]) -> None:
        """Read a message, and take it at once."""
        message_type = message["type"]
        if self.disconnected:
            return
        if not self._started:
            if message_type != "http.response.start":
                raise RuntimeError(f"the response begins with {message_type!r}")
            self._started = True
        elif not self._over:
            if message_type != "http.response.body":
                raise RuntimeError(f"the response goes on with {message_type!r}")
            body = message.get("body", b"")
            self.received += len(body)
            if not message.get("more_body", False):
                self._over = True
                self._wake.set()
        else:
            raise RuntimeError(f"{message_type!r} comes after the end of the response")


async def connections(app: ASGIApp, count: int, backend: str, size: int = 0) -> float:
    """Call ``app`` once per connection, each in a task of its own, and return the seconds all took.

    :param size: bytes that each response has at least
    :raises RuntimeError: if a response was shorter: less work is no lower cost
    """
    seconds, exchange = await (_trio if backend == "trio" else _asyncio)(app, count)
    if exchange.received < size:
        raise RuntimeError(f"only {exchange.received} of {size} bytes were sent")
    return seconds


async def _asyncio(app: ASGIApp, count: int) -> tuple[float, Exchange]:
    from asyncio import Event, Task, get_running_loop

    loop = get_running_loop()
    tasks: set[Task[object]] = set()
    start = clock()
    for _ in range(count):
        exchange = Exchange(Event())
        coroutine: Any = app(request_scope(), exchange.receive, exchange.send)
        task = loop.create_task(coroutine)
        task.add_done_callback(tasks.discard)
        tasks.add(task)
        await task
    return clock() - start, exchange


async def _trio(app: ASGIApp, count: int) -> tuple[float, Exchange]:
    from trio import Event, open_nursery

    start = clock()
    for _ in range(count):
        exchange = Exchange(Event())
        async with open_nursery() as nursery:
            nursery.start_soon(app, request_scope(), exchange.receive, exchange.send)
    return clock() - start, exchange
