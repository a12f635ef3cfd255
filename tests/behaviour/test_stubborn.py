"""Content that goes on, or fails, when it is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from anyio import get_cancelled_exc_class

from sse_asgi import CloseReason, EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import VirtualClock, settle
from tests.harness import ON_ASYNCIO, PING, Peer, nothing_left, only, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


Content = Callable[[], AsyncIterator[str]]


def app_of(content: Content, **options: Any) -> EventSourceApp:
    return EventSourceApp(lambda connection: content(), farewell_retry=(7, 7), **options)


FAREWELL = b"retry: 7\n\n"


async def end() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    except get_cancelled_exc_class():
        return


async def go_on() -> AsyncIterator[str]:
    while True:
        try:
            yield "a"
            await anyio.sleep_forever()
        except get_cancelled_exc_class():
            pass


async def say_goodbye() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    except get_cancelled_exc_class():
        yield "bye"


async def yield_in_finally() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        yield "b"
        yield "c"


@pytest.mark.parametrize("content", [end, go_on, say_goodbye, yield_in_finally])
@pytest.mark.parametrize("stop", [True, False], ids=["server stops", "client leaves"])
async def test_content_that_swallows_its_cancellation_ends_all_the_same(
    content: Content, stop: bool
) -> None:
    closed: list[StreamSummary] = []
    app = app_of(content, on_close=closed.append)
    async with nothing_left(), serving(app) as served:
        await settle()
        if stop:
            app.drain()
        else:
            served.peer.leave()
        await served.returned()
    assert served.peer.bodies == ([b"data: a\n\n", FAREWELL] if stop else [b"data: a\n\n"])
    assert served.peer.ended is stop
    assert only(closed).events == 1
    expected = CloseReason.SERVER_STOPPING if stop else CloseReason.CLIENT_GONE
    assert only(closed).reason is expected


async def fail_in_finally() -> AsyncIterator[str]:
    try:
        yield "a"
        await anyio.sleep_forever()
    finally:
        raise LookupError("in its finally")


@pytest.mark.parametrize("stop", [True, False], ids=["server stops", "client leaves"])
async def test_content_that_fails_to_clean_up_is_logged_and_its_stream_ends(
    stop: bool, caplog: Any
) -> None:
    closed: list[StreamSummary] = []
    app = app_of(fail_in_finally, on_close=closed.append)
    async with nothing_left(), serving(app, path="/feed") as served:
        await settle()
        if stop:
            app.drain()
        else:
            served.peer.leave()
        await served.returned()
    assert [record.getMessage() for record in caplog.records] == [
        "GET /feed: failed while the stream was closing"
    ]
    assert served.peer.bodies == ([b"data: a\n\n", FAREWELL] if stop else [b"data: a\n\n"])
    expected = CloseReason.SERVER_STOPPING if stop else CloseReason.CLIENT_GONE
    assert only(closed).reason is expected
    assert only(closed).error is None


async def test_content_that_fails_at_its_own_end_fails_like_any_other() -> None:
    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            raise LookupError("in its finally")

    peer = Peer()
    with pytest.raises(LookupError):
        async with serving(EventStream(content), peer) as served:
            await served.returned()
    assert peer.ended


@ON_ASYNCIO
async def test_cancellation_that_nobody_asked_for_is_an_error_of_the_content() -> None:
    import asyncio

    async def content() -> AsyncIterator[str]:
        yield "a"
        task = asyncio.get_running_loop().create_task(asyncio.Event().wait())
        task.cancel()
        await task

    peer = Peer()
    with pytest.raises(RuntimeError, match="CancelledError although nobody cancelled it"):
        async with serving(EventStream(content), peer) as served:
            await served.returned()
    assert peer.ended


async def test_content_that_goes_on_sends_nothing_though_a_ping_was_on_its_way() -> None:
    gate = anyio.Event()

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        except get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await gate.wait()
                await settle()
            yield "b"

    async def hold(number: int) -> None:
        if number == 3:  # the ping
            await gate.wait()

    with VirtualClock() as clock:
        peer = Peer(on_send=hold)
        async with serving(EventStream(content, ping=5), peer) as served:
            await clock.advance(5)
            peer.leave()
            await settle()
            gate.set()
            await served.returned()
    assert peer.bodies == [b"data: a\n\n", PING]
