"""The app of the tests about how streams end; what happens to it is in the server's log.

``/plain`` and ``/watching`` stream until they are ended, and the second says farewell; ``/flood``
sends as fast as it can, to show what becomes of a client that does not read, ``/grouped`` within a
task group. ``/control/...`` steers.
"""

from __future__ import annotations

import gc
import resource
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import anyio

import sse_asgi
from sse_asgi import Connection, EventSourceApp, StreamSummary

__all__ = ["app"]

Send: TypeAlias = Callable[[Any], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[Any]]

FLOOD = b"data: %b\n\n" % (b"x" * 65_536)


async def plain(connection: Connection) -> AsyncIterator[str]:
    """Tell nothing more after the first event, and watch for nothing."""
    yield "hello"
    await anyio.Event().wait()


async def watching(connection: Connection) -> AsyncIterator[str]:
    """Say farewell when the server stops."""
    yield "hello"
    await connection.shutdown.wait()
    yield "farewell"


async def ticking(connection: Connection) -> AsyncIterator[str]:
    """Send one event after the other."""
    while True:
        yield "tick"
        await anyio.sleep(0.02)


async def flood(connection: Connection) -> AsyncIterator[bytes]:
    """Send as much as the server takes."""
    while True:
        yield FLOOD


async def grouped(connection: Connection) -> AsyncIterator[bytes]:
    """Do the same with a task group open across the yields, as clients of an LLM's API do."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.Event().wait)
        while True:
            yield FLOOD


class EndingApp:
    """Routes the streams and the control paths, in plain ASGI."""

    def __init__(self) -> None:
        self._reasons: list[str] = []
        self._streams = {
            "/plain": EventSourceApp(plain, on_close=self._note),
            "/watching": EventSourceApp(watching, on_close=self._note),
            "/ticking": EventSourceApp(ticking, on_close=self._note),
            "/flood": EventSourceApp(flood, send_timeout=0.5, on_close=self._note),
            "/grouped": EventSourceApp(grouped, send_timeout=0.5, on_close=self._note),
            "/short-lived": EventSourceApp(plain, max_lifetime=0.3, on_close=self._note),
        }

    def _note(self, summary: StreamSummary) -> None:
        self._reasons.append(summary.reason.name)
        print(f"stream ended: {summary.reason.name}")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"] in self._streams:
            await self._streams[scope["path"]](scope, receive, send)
        else:
            await self._answer(self._control(scope["path"]), send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            print(kind)
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _control(self, path: str) -> str:
        match path:
            case "/control/reasons":
                return " ".join(self._reasons)
            case "/control/drain":
                sse_asgi.drain()
            case "/control/drain-from-a-thread":
                for app in self._streams.values():
                    threading.Thread(target=app.drain).start()
            case "/control/peak":
                return str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            case "/control/size":
                gc.collect()
                return f"{len(gc.get_objects())} {threading.active_count()}"
        return ""

    @staticmethod
    async def _answer(text: str, send: Send) -> None:
        body = text.encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


app = EndingApp()
