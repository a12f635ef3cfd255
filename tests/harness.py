"""The server's side of one request, raw, for what a well-behaved client never sees."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any
from unittest.mock import patch

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.server import shutdown
from sse_asgi.testing import settle
from sse_asgi.testing.server.task import AppTask

Message = dict[str, Any]
Hook = Callable[[int], Awaitable[Any]]

WAIT = 5.0
"""Seconds after which a test that still waits has failed."""

THREAD_NAME = "sse_asgi content"

ON_ASYNCIO = pytest.mark.parametrize(
    "anyio_backend",
    [
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(
            ("asyncio", {"use_uvloop": True}), id="uvloop", marks=pytest.mark.needs("uvloop")
        ),
    ],
)
"""On trio every wait of a cancelled task is cancelled, unless it is shielded."""

HEAD_BODY = b":\n\n"
PING = b": ping\n\n"


def http_scope(**fields: Any) -> Message:
    """Return the scope of a GET request."""
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 12345),
        "server": ("127.0.0.1", 8000),
    }
    return {**scope, **fields}


class Peer:
    """Takes what the app sends, and holds it to the order that ASGI prescribes.

    :param on_send: awaited with the number of the call, from 1, before the message is taken
    :param on_receive: awaited with the number of the call; may return a message
    :param turns: whether ``send`` gives the event loop a turn, as some servers' do
    """

    def __init__(
        self, *, on_send: Hook | None = None, on_receive: Hook | None = None, turns: bool = True
    ) -> None:
        self.messages: list[Message] = []
        self.violations: list[str] = []
        self.sends = self.receives = 0
        self.on_send = on_send
        self.on_receive = on_receive
        self._turns = turns
        self._sending = False
        self._gone = anyio.Event()

    async def send(self, message: Message) -> None:
        """Take the next message of the response."""
        self.sends += 1
        kind = message["type"].removeprefix("websocket.")
        if self._sending:
            self.violations.append(f"{message} overlaps another message")
        if (kind == "http.response.start") is self.started:
            self.violations.append(f"{message} is out of order")
        if self.ended:
            self.violations.append(f"{message} follows the final body")
        self._sending = True
        try:
            if self._turns:
                await checkpoint()
            if self.on_send is not None:
                await self.on_send(self.sends)
        finally:
            self._sending = False
        self.messages.append(message)

    async def receive(self) -> Message:
        """Return the client's disconnect, when it leaves."""
        self.receives += 1
        if self.on_receive is not None:
            message = await self.on_receive(self.receives)
            if message is not None:
                return dict(message)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        """Disconnect."""
        self._gone.set()

    @property
    def started(self) -> bool:
        """The head has been taken."""
        return bool(self.messages)

    @property
    def ended(self) -> bool:
        """The final body has been taken."""
        return bool(self.messages) and self.messages[-1].get("more_body") is False

    @property
    def status(self) -> int:
        """The response's status."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The response's headers."""
        return dict(self.messages[0]["headers"])

    @property
    def bodies(self) -> list[bytes]:
        """The body messages, without the final one if that is empty."""
        bodies = [message["body"] for message in self.messages[1:]]
        return bodies[:-1] if self.ended and not bodies[-1] else bodies

    @property
    def body(self) -> bytes:
        """All that was sent."""
        return b"".join(self.bodies)


class Served:
    """One call of an app, in a task as servers make it."""

    def __init__(self, app: Any, peer: Peer, scope: Message) -> None:
        self.peer = peer
        self.task = AppTask(lambda: app(scope, peer.receive, peer.send), lambda: None)

    async def returned(self) -> None:
        """Wait for the app to return, and raise what it raised."""
        assert await self.task.wait(WAIT), f"the app did not return; it waits at {self.where()}"
        if self.task.error is not None:
            raise self.task.error

    def where(self) -> str:
        """Say where the app waits."""
        return self.task.where()


@asynccontextmanager
async def serving(app: Any, peer: Peer | None = None, **scope: Any) -> AsyncIterator[Served]:
    """Call ``app`` with one request. At the end of the block the client leaves, if it is there."""
    peer = peer or Peer()
    served = Served(app, peer, http_scope(**scope))
    try:
        yield served
    finally:
        with anyio.CancelScope(shield=True):
            peer.leave()
            ended = await served.task.wait(WAIT)
            if not ended:
                where = served.where()
                served.task.cancel()
                await served.task.wait(1)
    assert ended, f"the app did not return; it waits at {where}"
    assert not peer.violations


async def serve(app: Any, peer: Peer | None = None, **scope: Any) -> Peer:
    """Call ``app`` with one request of a client that stays; return it when the app returns."""
    async with serving(app, peer, **scope) as served:
        await served.returned()
    return served.peer


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Check that the block leaves no stream, task, thread or deadline behind."""
    before = {task.id for task in anyio.get_running_tasks()}
    with patch.object(shutdown, "POLL_INTERVAL", 0.001):
        yield
        state = LoopState.current()
        assert not state.sessions
        await until(lambda: is_idle(state))
    await settle()
    assert is_idle(state)
    assert not [task.name for task in anyio.get_running_tasks() if task.id not in before]
    assert not content_threads()


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds: nobody tells when the last task of a loop has gone."""
    with anyio.fail_after(WAIT):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.001)


def is_idle(state: LoopState) -> bool:
    """Tell whether neither the timers nor the pump have anything to do, or a task."""
    timers: Any = state.timers
    idle = not timers._next_look and not timers._heap and timers.is_idle
    return idle and state.pump.is_idle


def content_threads() -> list[threading.Thread]:
    """Return the threads that synchronous iterables still run in."""
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(1)
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def only(summaries: list[StreamSummary]) -> StreamSummary:
    """Return what ``on_close`` was told, which must have been once."""
    assert len(summaries) == 1, summaries
    return summaries[0]


class SignalHandler:
    """A handler that somebody else has set."""

    def __init__(self, then: Any = None) -> None:
        self.heard: list[int] = []
        self._then = then

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        if callable(self._then):
            self._then(number, frame)
