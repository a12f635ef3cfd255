"""The app that the servers run: streams that the test steers from outside, through control paths.

Each stream has a key of its own. ``/control/tell?key=K&text=T`` lets the stream go on with ``T``,
``/control/closed?key=K`` answers once the ``finally`` of its content has run, and
``/control/reason?key=K`` once its ``on_close`` has been called.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs

import anyio

from sse_asgi import Connection, EventSourceApp, EventStream, Refusal, StreamSummary

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, HTTPScope, Scope

Send: TypeAlias = Callable[[Any], Awaitable[None]]

__all__ = ["END", "FAIL", "TIMEOUT", "LiveApp", "app"]

END = "!end"
FAIL = "!fail"
TIMEOUT = 8.0


class Line:
    """What the test tells one stream, and what has become of the stream."""

    def __init__(self) -> None:
        self.sender, self.receiver = anyio.create_memory_object_stream[str](16)
        self.queue = SimpleQueue[str]()
        self.is_closed = anyio.Event()
        self.summary = anyio.Event()
        self.reason = ""


class LiveApp:
    """Routes the streams and the control paths, in plain ASGI."""

    def __init__(self) -> None:
        self._lines = defaultdict[str, Line](Line)
        self._streams = {
            "/stream": EventSourceApp(self.steered, start_timeout=0.05),
            "/eager": EventSourceApp(self.steered, start_timeout=TIMEOUT),
            "/sync": EventSourceApp(self.pulled, start_timeout=0.05),
            "/echo": EventSourceApp(self.echo, methods=("POST",)),
            "/refused": EventSourceApp(self.refuse),
        }

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: Send) -> None:
        """Answer one request, or the lifespan."""
        if scope["type"] != "http":
            await self._streams["/stream"](scope, receive, send)
        elif scope["path"] in self._streams:
            await self._streams[scope["path"]](scope, receive, send)
        elif scope["path"] == "/bare":
            await self.bare(scope, receive, send)
        else:
            await self.control(scope, send)

    # -- streams -------------------------------------------------------------------------------

    async def steered(self, connection: Connection) -> AsyncIterator[str]:
        """Yield what the test tells, when it tells it."""
        line = self._lines[connection.query["key"]]
        try:
            async for text in line.receiver:
                if text == END:
                    return
                if text == FAIL:
                    raise RuntimeError(f"told to fail: {connection.query['key']}")
                yield text
        finally:
            line.is_closed.set()

    def pulled(self, connection: Connection) -> Iterator[str]:
        """Do the same as a sync generator, which waits in its thread."""
        line = self._lines[connection.query["key"]]
        yield from iter(lambda: line.queue.get(timeout=TIMEOUT), END)

    async def echo(self, connection: Connection) -> AsyncIterator[str]:
        """Yield the body of the request."""
        yield connection.body.decode()

    def refuse(self, connection: Connection) -> AsyncIterator[str]:
        """Tell the client to stop for good."""
        raise Refusal(204)

    async def bare(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: Send) -> None:
        """Stream without an EventSourceApp, and keep the stream's summary."""
        key = parse_qs(scope["query_string"].decode())["key"][0]
        line = self._lines[key]

        def on_close(summary: StreamSummary) -> None:
            line.reason = summary.reason.name
            line.summary.set()

        stream = EventStream(line.receiver, start_timeout=0.05, on_close=on_close)
        await stream(scope, receive, send)

    # -- control -------------------------------------------------------------------------------

    async def control(self, scope: HTTPScope, send: Send) -> None:
        """Answer a control path; anything else is not found."""
        query = {name: values[0] for name, values in parse_qs(scope["query_string"]).items()}
        line = self._lines[query.get(b"key", b"").decode()]
        status, body = 200, b""
        with anyio.move_on_after(TIMEOUT) as limit:
            match scope["path"]:
                case "/control/tell":
                    text = query[b"text"].decode()
                    line.queue.put(text)
                    await line.sender.send(text)
                case "/control/closed":
                    await line.is_closed.wait()
                case "/control/reason":
                    await line.summary.wait()
                    body = line.reason.encode()
                case _:
                    status = 404
        if limit.cancelled_caught:
            status, body = 504, b"the stream is still open"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


app = LiveApp()
