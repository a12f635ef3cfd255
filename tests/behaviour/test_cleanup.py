"""Content that is cancelled: what it may do in its ``finally``, and what it may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from anyio import get_cancelled_exc_class

from sse_asgi import EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import VirtualClock, settle
from tests.harness import ON_ASYNCIO, Peer, nothing_left, only, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


Content = Callable[[], AsyncIterator[str]]


def app_of(content: Content, **options: Any) -> EventSourceApp:
    return EventSourceApp(lambda connection: content(), farewell_retry=(7, 7), **options)


FAREWELL = b"retry: 7\n\n"


@ON_ASYNCIO
async def test_cleanup_may_wait() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(0.01)
            log.append("closed")

    async with nothing_left(), serving(EventStream(content)):
        await settle()
    assert log == ["closed"]


async def test_shielded_cleanup_may_wait() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
            log.append("closed")

    app = app_of(content)
    async with serving(app) as served:
        await settle()
        app.drain()
        await served.returned()
        assert served.peer.bodies == [b"data: a\n\n", FAREWELL]
    assert log == ["closed"]


async def test_cleanup_is_not_cut_short_by_further_signs_that_the_client_has_left() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            await anyio.sleep(0.01)
            log.append("closed")

    peer = Peer()

    async def fail(call: int) -> None:
        if call == 3:
            peer.leave()
            raise OSError("gone")

    peer.on_send = fail
    async with serving(EventStream(content), peer) as served:
        await served.returned()
    assert log == ["closed"]


@ON_ASYNCIO
async def test_cleanup_is_not_cut_short_by_a_ping_that_fails_meanwhile() -> None:
    log: list[str] = []
    gate, closing = anyio.Event(), anyio.Event()

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            closing.set()
            await anyio.sleep(0.02)
            log.append("closed")

    async def fail(call: int) -> None:
        if call == 3:  # the ping
            await gate.wait()
            raise OSError("gone")

    with VirtualClock() as clock:
        peer = Peer(on_send=fail)
        async with serving(EventStream(content, ping=5), peer) as served:
            await clock.advance(5)
            peer.leave()
            await closing.wait()
            gate.set()
            await served.returned()
    assert log == ["closed"]


@ON_ASYNCIO
async def test_cleanup_that_hangs_is_cancelled_when_its_time_is_over() -> None:
    log: list[str] = []
    closed: list[StreamSummary] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cancelled")

    with VirtualClock() as clock:
        stream = EventStream(content, cleanup_timeout=4, on_close=closed.append)
        async with serving(stream) as served:
            await settle()
            served.peer.leave()
            await clock.advance(3.999)
            assert not log
            await clock.advance(0.001)
            await served.returned()
    assert log == ["cancelled"]
    assert only(closed).seconds == 4


@ON_ASYNCIO
async def test_cleanup_that_hangs_again_and_again_is_cancelled_each_time() -> None:
    waits: list[float] = []

    with VirtualClock() as clock:

        async def content() -> AsyncIterator[str]:
            yield "a"
            for _ in range(4):
                try:
                    await anyio.sleep_forever()
                except get_cancelled_exc_class():
                    waits.append(clock.now())

        async with serving(EventStream(content, cleanup_timeout=4)) as served:
            await settle()
            served.peer.leave()
            await clock.advance(30)
            await served.returned()
    assert waits == [0, 4, 9, 14]


async def test_cleanup_after_an_item_that_was_not_taken_is_bounded() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cancelled")

    async def fail(call: int) -> None:
        if call == 2:
            raise OSError("gone")

    async with serving(EventStream(content, cleanup_timeout=0.01), Peer(on_send=fail)) as served:
        await served.returned()
    assert log == ["cancelled"]
