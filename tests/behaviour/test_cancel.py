"""The server cancels the request, as hypercorn and daphne do when they stop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import get_cancelled_exc_class

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import settle
from tests.harness import Peer, http_scope, nothing_left, only, serving

pytestmark = pytest.mark.anyio


async def waiting() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def waiting_before() -> AsyncIterator[str]:
    await anyio.sleep_forever()
    yield "a"


async def cleaning_up() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)


async def failing() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        raise LookupError("in its finally")


class Items:
    """An iterator that gives one item and must be closed."""

    def __init__(self) -> None:
        self.closed = 0
        self._items = iter("a")

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> str:
        for item in self._items:
            return item
        await anyio.sleep_forever()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed += 1


def farewell(peer: Peer) -> int:
    """Return the reconnection time that the last block sets."""
    match = re.fullmatch(rb"retry: (\d+)\n\n", peer.bodies[-1])
    assert match, peer.bodies
    return int(match[1])


@pytest.mark.parametrize("content", [waiting, waiting_before, cleaning_up])
async def test_client_gets_its_farewell_and_the_cancellation_goes_on(
    content: Callable[[], AsyncIterator[str]],
) -> None:
    closed: list[StreamSummary] = []
    stream = EventStream(content, on_close=closed.append, farewell_retry=(30, 40))
    async with nothing_left(), serving(stream) as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert 30 <= farewell(served.peer) <= 40
    assert served.peer.bodies[:-1] == ([] if content is waiting_before else [b"data: a\n\n"])
    assert served.peer.ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING


async def test_farewell_goes_without_a_reconnection_time_if_there_is_none() -> None:
    async with serving(EventStream(waiting, farewell_retry=None)) as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.peer.bodies == [b"data: a\n\n"]
    assert served.peer.ended


async def test_iterator_is_closed() -> None:
    items = Items()
    async with serving(EventStream(items)) as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert items.closed == 1
    assert served.peer.ended


async def test_server_that_takes_no_farewell_is_not_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.session.FAREWELL_TIMEOUT", 0.02)

    async def hang(number: int) -> None:
        if number > 2:
            await anyio.sleep_forever()

    async with nothing_left(), serving(EventStream(waiting), Peer(on_send=hang)) as served:
        await settle()
        served.task.cancel()
        with anyio.fail_after(1):
            await served.returned()
    assert served.task.cancelled


async def test_server_whose_send_fails_still_sees_its_cancellation(caplog: Any) -> None:
    closed: list[StreamSummary] = []

    async def fail(number: int) -> None:
        if number > 2:
            raise RuntimeError("closing")

    peer = Peer(on_send=fail)
    async with (
        nothing_left(),
        serving(EventStream(waiting, on_close=closed.append), peer) as served,
    ):
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert len(caplog.records) == 1


async def test_cancelled_scope_around_the_app_stays_cancelled() -> None:
    closed: list[StreamSummary] = []
    for content in (waiting, cleaning_up):
        peer = Peer()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_when_settled, scope)
                stream = EventStream(content, on_close=closed.append)
                await stream(http_scope(), peer.receive, peer.send)
                raise AssertionError("the cancellation was swallowed")
        assert scope.cancelled_caught
        assert farewell(peer)
        assert peer.ended
        assert closed.pop().reason is CloseReason.SERVER_STOPPING


async def cancel_when_settled(scope: anyio.CancelScope) -> None:
    await settle()
    scope.cancel()


async def swallowing() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    except get_cancelled_exc_class():
        return


@pytest.mark.parametrize("content", [swallowing, failing])
async def test_content_that_swallows_or_replaces_a_scope_s_cancellation_gets_its_farewell(
    content: Callable[[], AsyncIterator[str]],
) -> None:
    peer = Peer()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_when_settled, scope)
            try:
                await EventStream(content)(http_scope(), peer.receive, peer.send)
            except LookupError:
                assert content is failing
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert peer.ended


async def test_timeout_around_the_app_fires_once_and_ends_it() -> None:
    peer = Peer()
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.02):
            await EventStream(waiting)(http_scope(), peer.receive, peer.send)
    assert peer.ended
    await anyio.lowlevel.checkpoint()  # nothing is left to cancel us


async def test_cancellation_while_the_body_of_the_request_is_read_goes_on() -> None:
    async def handler(connection: Connection) -> AsyncIterator[str]:
        yield "a"

    app = EventSourceApp(handler, methods=["POST"])
    peer = Peer(on_receive=lambda number: anyio.sleep_forever())
    async with nothing_left(), serving(app, peer, method="POST") as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert not peer.messages
