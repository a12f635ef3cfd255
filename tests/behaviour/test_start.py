"""How long the head of the response waits for the first event."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from sse_asgi import CloseReason, EventStream, Refusal, StreamSummary
from sse_asgi.testing import VirtualClock
from tests.harness import HEAD_BODY, Peer, only, serve, serving


class Feed:
    """Content that gives what the test puts in."""

    def __init__(self) -> None:
        self.send, self._receive = anyio.create_memory_object_stream[object](100)

    async def __call__(self) -> AsyncIterator[object]:
        with self.send, self._receive:
            async for item in self._receive:
                if isinstance(item, Exception):
                    raise item
                yield item


def content_of(feed: Feed) -> AsyncIterator[object]:
    return feed()


@pytest.mark.anyio
async def test_head_waits_for_the_first_event_and_goes_with_it() -> None:
    feed = Feed()
    with VirtualClock() as clock:
        async with serving(EventStream(content_of(feed), start_timeout=2, retry=7)) as served:
            await clock.advance(1.999)
            assert not served.peer.messages
            feed.send.send_nowait("a")
            await clock.advance(0)
            assert served.peer.bodies == [b"retry: 7\n\ndata: a\n\n"]
            await clock.advance(5)
            assert len(served.peer.messages) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(("retry", "first"), [(None, HEAD_BODY), (7, b"retry: 7\n\n")])
async def test_head_leaves_alone_with_a_first_body_when_the_event_is_late(
    retry: int | None, first: bytes
) -> None:
    feed = Feed()
    with VirtualClock() as clock:
        async with serving(EventStream(content_of(feed), start_timeout=2, retry=retry)) as served:
            await clock.advance(1.999)
            assert not served.peer.messages
            await clock.advance(0.001)
            assert served.peer.status == 200
            assert served.peer.bodies == [first]
            feed.send.send_nowait("a")
            await clock.advance(0)
            assert served.peer.bodies == [first, b"data: a\n\n"]


@pytest.mark.anyio
async def test_head_leaves_at_once_without_a_start_timeout() -> None:
    feed = Feed()
    with VirtualClock() as clock:
        async with serving(EventStream(content_of(feed), start_timeout=0)) as served:
            await clock.advance(0)
            assert served.peer.bodies == [HEAD_BODY]


@pytest.mark.anyio
async def test_event_that_is_ready_goes_with_the_head_even_without_a_start_timeout() -> None:
    assert (await serve(EventStream(["a"], start_timeout=0))).bodies == [b"data: a\n\n"]


@pytest.mark.anyio
async def test_error_and_refusal_within_the_start_timeout_are_real_responses() -> None:
    for error in (KeyError("x"), Refusal(403)):
        feed = Feed()
        with VirtualClock() as clock:
            peer = Peer()
            with pytest.raises(KeyError) if isinstance(error, KeyError) else anyio.CancelScope():
                async with serving(EventStream(content_of(feed), start_timeout=2), peer) as served:
                    await clock.advance(1.999)
                    feed.send.send_nowait(error)
                    await served.returned()
            assert not peer.messages or peer.status == 403


@pytest.mark.anyio
async def test_event_that_comes_while_a_late_head_is_on_its_way_follows_it() -> None:
    feed = Feed()
    gate = anyio.Event()

    async def hold(number: int) -> None:
        if number == 1:
            await gate.wait()

    with VirtualClock() as clock:
        stream = EventStream(content_of(feed), start_timeout=1, retry=7)
        async with serving(stream, Peer(on_send=hold)) as served:
            await clock.advance(1)
            feed.send.send_nowait("a")
            await clock.advance(1)
            assert served.peer.sends == 1
            gate.set()
            await clock.advance(0)
            assert served.peer.bodies == [b"retry: 7\n\n", b"data: a\n\n"]


@pytest.mark.anyio
async def test_event_that_was_not_sent_because_the_head_got_stuck_is_not_counted() -> None:
    closed: list[StreamSummary] = []
    feed = Feed()

    async def hang(number: int) -> None:
        await anyio.sleep_forever()

    with VirtualClock() as clock:
        stream = EventStream(
            content_of(feed), start_timeout=1, send_timeout=5, on_close=closed.append
        )
        async with serving(stream, Peer(on_send=hang)) as served:
            await clock.advance(1)
            feed.send.send_nowait("a")
            await clock.advance(5)
            await served.returned()
    assert only(closed)[:4] == (CloseReason.SLOW_CLIENT, 0, 0, 6.0)
    assert (only(closed).error, only(closed).first_event) == (None, None)


@pytest.mark.anyio
@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("broken")])
async def test_late_head_that_cannot_be_sent_ends_the_stream(error: Exception) -> None:
    closed: list[StreamSummary] = []
    feed = Feed()

    async def fail(number: int) -> None:
        raise error

    with VirtualClock() as clock:
        stream = EventStream(content_of(feed), on_close=closed.append)
        peer = Peer(on_send=fail)
        expected = pytest.raises(RuntimeError) if isinstance(error, RuntimeError) else None
        async with serving(stream, peer) as served:
            await clock.advance(1)
            if expected is None:
                await served.returned()
            else:
                with expected:
                    await served.returned()
    assert peer.sends == 1
    reason = CloseReason.CLIENT_GONE if expected is None else CloseReason.ERROR
    assert only(closed).reason is reason
