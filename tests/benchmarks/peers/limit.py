"""The limit: a bare ASGI app that sends precomputed bytes, and the least that encodes an event.

It watches for no disconnect, checks no line ending and shares one message among all events. One
task pings all clients, one after the other.
"""

from __future__ import annotations

import json
from typing import Any

from tests.benchmarks.peer import ASGIApp, Peer, Plan

__all__ = ["PEER"]

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")],
}
PING = {"type": "http.response.body", "body": b": ping\n\n", "more_body": True}
END = {"type": "http.response.body", "body": b"", "more_body": False}


def _text(data: str) -> bytes:
    return f"data: {data}\n\n".encode()


def _fields(data: str, event: str, id: str) -> bytes:
    return f"id: {id}\nevent: {event}\ndata: {data}\n\n".encode()


def _lines(data: str) -> bytes:
    data = data.replace("\n", "\ndata: ")
    return f"data: {data}\n\n".encode()


def _json(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


class Pings:
    """Pings all connections every ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sends: set[Any] = set()
        self._task: object = None

    def add(self, send: Any) -> None:
        """Ping a connection from the next turn on."""
        self._sends.add(send)
        if self._task is None:
            from asyncio import get_running_loop

            self._task = get_running_loop().create_task(self._run())

    def discard(self, send: Any) -> None:
        """Ping a connection no more."""
        self._sends.discard(send)

    async def _run(self) -> None:
        from asyncio import sleep

        while True:
            await sleep(self._seconds)
            for send in tuple(self._sends):
                await send(PING)


def _app(plan: Plan) -> ASGIApp:
    message = {"type": "http.response.body", "body": plan.block, "more_body": True}
    repeats = range(plan.events)
    pings = None if plan.ping is None else Pings(plan.ping)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if plan.pause is not None:
            await plan.pause()
        await send(START)
        for _ in repeats:
            await send(message)
        if plan.open_ended:
            if pings is not None:
                pings.add(send)
            while (await receive())["type"] != "http.disconnect":
                pass
            if pings is not None:
                pings.discard(send)
        else:
            await send(END)

    return app


PEER = Peer(
    name="limit",
    app=_app,
    encoders={
        "small": _text,
        "1 KiB": _text,
        "fields": _fields,
        "the same as an object": _fields,
        "multi-line": _lines,
        "json": _json,
    },
    backends=("asyncio", "trio"),
    pings=True,
    windows=True,
)
