"""What a client is told last when the server ends its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary, drain
from sse_asgi.testing import VirtualClock, settle
from tests.harness import Peer, Served, only, serve, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


FAREWELL = b"retry: 7\n\n"


BLOCK = b"data: a\n\n"


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def watching(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await connection.shutdown.wait()
    yield "bye"


def app_of(handler: Any, closed: list[StreamSummary], **options: Any) -> EventSourceApp:
    return EventSourceApp(handler, farewell_retry=(7, 7), on_close=closed.append, **options)


async def test_error_of_the_farewell_is_an_error() -> None:
    async def handler(connection: Connection) -> AsyncIterator[str]:
        yield "a"
        await connection.shutdown.wait()
        raise LookupError("bye")

    closed: list[StreamSummary] = []
    peer = Peer()
    with pytest.raises(LookupError):
        async with serving(app_of(handler, closed), peer) as served:
            await settle()
            drain()
            await served.returned()
    assert only(closed).reason is CloseReason.ERROR
    assert peer.ended


async def test_reconnection_times_of_a_farewell_are_spread_over_their_range() -> None:
    app = EventSourceApp(waiting, farewell_retry=(1000, 1999))
    async with AsyncExitStack() as streams:
        served: list[Served] = [await streams.enter_async_context(serving(app)) for _ in range(50)]
        await settle()
        drain()
        for one in served:
            await one.returned()
    times = [int(one.peer.bodies[-1].split()[1]) for one in served]
    assert 1000 <= min(times) < 1200
    assert 1800 < max(times) <= 1999


async def test_farewell_without_a_reconnection_time_is_the_final_body_alone() -> None:
    async with serving(EventStream(waiting, farewell_retry=None)) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.bodies == [BLOCK]
    assert served.peer.ended


async def test_farewell_before_the_first_event_begins_the_response() -> None:
    async def late(connection: Connection) -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield "a"

    async with serving(app_of(late, [], retry=3)) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.status == 200
    assert served.peer.bodies == [b"retry: 3\n\n" + FAREWELL]
    assert served.peer.ended


async def test_farewell_ends_its_lines_as_the_stream_does() -> None:
    async with serving(app_of(waiting, [], separator="\r\n")) as served:
        await settle()
        drain()
        await served.returned()
    assert served.peer.bodies[-1] == b"retry: 7\r\n\r\n"


async def test_stream_that_ended_by_itself_gets_no_reconnection_time() -> None:
    async def ending(connection: Connection) -> list[str]:
        return ["a"]

    assert (await serve(app_of(ending, []))).bodies == [BLOCK]


async def test_client_that_takes_nothing_more_does_not_keep_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.session.FAREWELL_TIMEOUT", 0.02)
    closed: list[StreamSummary] = []

    async def hang(number: int) -> None:
        if number > 2:
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        peer = Peer(on_send=hang)
        async with serving(app_of(waiting, closed), peer) as served:
            await clock.advance(1)
            drain()
            await clock.advance(0)
            await served.returned()
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert not peer.ended


async def test_final_body_of_a_farewell_that_hangs_is_interrupted() -> None:
    async def hang(number: int) -> None:
        if number > 3:  # the farewell's block
            await anyio.sleep_forever()

    with VirtualClock() as clock:
        peer = Peer(on_send=hang)
        async with serving(app_of(watching, []), peer) as served:
            await clock.advance(1)
            drain()
            await clock.advance(1.999)
            assert not served.task.done
            await clock.advance(0.001)
            await served.returned()
    assert not peer.ended
