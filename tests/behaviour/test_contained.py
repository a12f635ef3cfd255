"""Whatever one stream's ``send`` or ``ping_message`` raises ends that stream alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, EventSourceApp, EventStream, StreamSummary
from sse_asgi.broadcast import Hub
from sse_asgi.testing import VirtualClock, settle
from tests.harness import PING, Peer, nothing_left, only, serving, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


class Outcome(BaseException):
    """No ``Exception``, as pytest's failures are none."""


ERRORS = [
    asyncio.CancelledError,
    GeneratorExit,
    Outcome,
    lambda: BaseExceptionGroup("group", [Outcome()]),
    lambda: RuntimeError("x"),
    OSError,
]


async def quiet() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def ended(served: Any) -> BaseException | None:
    """Return what the app raised."""
    try:
        await served.returned()
    except BaseException as exc:
        return exc
    return None


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", ["send", "ping_message"])
async def test_keepalive_that_fails_ends_its_stream_alone(where: str, error: Any) -> None:
    closed: list[StreamSummary] = []

    async def fail(number: int) -> None:
        if number == 3 and where == "send":
            raise error()

    def ping_message() -> Any:
        if where == "ping_message":
            raise error()
        return {"comment": "ping"}

    with VirtualClock() as clock:
        stream = EventStream(quiet, ping=5, ping_message=ping_message, on_close=closed.append)
        other = EventStream(quiet, ping=5, max_lifetime=100)
        async with serving(other) as beside, serving(stream, Peer(on_send=fail)) as served:
            await clock.advance(5)
            await ended(served)
            assert only(closed).reason in (
                CloseReason.ERROR,
                CloseReason.CLIENT_GONE,
                CloseReason.SERVER_STOPPING,
            )
            await clock.advance(10)
            assert beside.peer.bodies[1:] == [PING] * 3
            await clock.advance(100)
            await beside.returned()
            assert beside.peer.ended


@pytest.mark.parametrize("error", ERRORS)
async def test_filter_of_a_hub_that_fails_ends_its_stream_alone(error: Any) -> None:
    hub = Hub()
    closed: list[StreamSummary] = []

    def fail(event: Any) -> bool:
        raise error()

    app = EventSourceApp(lambda connection: hub.subscribe("t", filter=fail), on_close=closed.append)
    other = EventSourceApp(lambda connection: hub.subscribe("t"))
    async with serving(other) as beside:
        async with serving(app) as served:
            await settle()
            await hub.publish("t", "x")
            await settle()
            await ended(served)
        only(closed)
        await hub.publish("t", "y")
        await settle()
        assert b"data: x" in beside.peer.body
        assert b"data: y" in beside.peer.body


async def test_request_that_is_cancelled_while_its_head_waits_harms_no_other() -> None:
    hub = Hub()

    async def hang(number: int) -> None:
        if number >= 2:
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        other = EventStream(quiet, ping=5, max_lifetime=100)
        async with serving(other) as beside:
            app = EventSourceApp(lambda connection: hub.subscribe("t"), ping=3)
            async with serving(app, Peer(on_send=hang)) as served:
                await clock.advance(4)
                served.task.cancel()
                await served.returned()
            await clock.advance(16)
            assert beside.peer.bodies[1:] == [PING] * 4
            await clock.advance(100)
            await beside.returned()


# -- a send that is stuck --------------------------------------------------------------------------


async def endless() -> AsyncIterator[str]:
    while True:
        yield "a"


@pytest.mark.parametrize("content", [endless, quiet])
@pytest.mark.parametrize("how", ["client leaves", "request is cancelled"])
async def test_stuck_send_keeps_nobody_waiting(content: Any, how: str) -> None:
    async def hang(number: int) -> None:
        if number >= 3:
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    stream = EventStream(content, ping=0.01, send_timeout=None)
    async with nothing_left(), serving(stream, peer) as served:
        await until(lambda: peer.sends >= 3)
        began = anyio.current_time()
        if how == "client leaves":
            peer.leave()
        else:
            served.task.cancel()
        await served.returned()
        assert anyio.current_time() - began < 0.6


@pytest.mark.parametrize("wait", [0, 0.005])
async def test_content_that_swallows_the_server_s_cancellation_ends(wait: float) -> None:
    closed: list[StreamSummary] = []

    async def robust() -> AsyncIterator[str]:
        while True:
            try:
                yield "a"
                await anyio.sleep(wait)
            except anyio.get_cancelled_exc_class():
                pass

    stream = EventStream(robust, on_close=closed.append)
    async with nothing_left(), serving(stream) as served:
        await until(lambda: served.peer.sends >= 50)
        served.task.cancel()
        await served.returned()
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert served.peer.ended
