"""A large block goes out in pieces, and one that is cut in two does not become another event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.asgi.session.writer import PIECE
from sse_asgi.testing import VirtualClock, settle
from sse_asgi.wire import EventDecoder
from tests.harness import Peer, only, serve, serving

pytestmark = pytest.mark.anyio

LARGE = "x" * (3 * PIECE)


async def content() -> AsyncIterator[str]:
    yield "small"
    yield LARGE
    yield "after"


@pytest.mark.parametrize("compression", [None, "auto"])
async def test_large_block_arrives_whole_in_pieces(compression: Any) -> None:
    peer = await serve(EventStream(content, compression=compression))
    assert max(map(len, peer.bodies)) <= PIECE
    events = EventDecoder(max_event_size=len(LARGE) * 2).feed(peer.body)
    assert [event.data for event in events] == ["small", LARGE, "after"]


@pytest.mark.parametrize("pieces", [1, 2])
async def test_block_that_is_cut_in_two_is_followed_by_the_final_body_alone(pieces: int) -> None:
    closed: list[StreamSummary] = []
    stuck = anyio.Event()

    async def hold(number: int) -> None:
        if number == 2 + pieces + 1:  # the head, the small block, and the pieces before
            await stuck.wait()

    with VirtualClock() as clock:
        stream = EventStream(content, max_lifetime=10, on_close=closed.append)
        async with serving(stream, Peer(on_send=hold)) as served:
            await settle()
            await clock.advance(20)
            await served.returned()
    assert only(closed).reason is CloseReason.LIFETIME
    events = EventDecoder(max_event_size=len(LARGE) * 2).feed(served.peer.body)
    assert [event.data for event in events] == ["small"]
    assert served.peer.ended
    assert b"retry" not in served.peer.body


async def test_client_that_takes_a_piece_now_and_then_is_not_slow() -> None:
    closed: list[StreamSummary] = []

    async def slowly(number: int) -> None:
        await clock.sleep_until(clock.now() + 4)

    with VirtualClock() as clock:
        stream = EventStream(content, send_timeout=5, ping=None, on_close=closed.append)
        async with serving(stream, Peer(on_send=slowly)) as served:
            await clock.advance(60)
            await served.returned()
    assert only(closed).reason is CloseReason.COMPLETED


@pytest.mark.parametrize("size", [PIECE // 2, PIECE + 1, 10 * PIECE])
async def test_event_loop_has_a_turn_after_few_large_events(size: int) -> None:
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "x" * size

    peer = Peer(turns=False)
    async with serving(EventStream(endless), peer):
        while not peer.messages:
            await checkpoint()
        assert sum(len(message.get("body", b"")) for message in peer.messages) < 64 * size + 2**22
