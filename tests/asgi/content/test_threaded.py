"""Synchronous iterables: pulled in a thread of their own, bounded, closed in it, and never late."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from sse_asgi import EventStream, StreamSummary
from sse_asgi.asgi.content.threaded import READY_ITEMS, ThreadedIterator
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import connect
from sse_asgi.wire import EncodedBatch, Encoder
from sse_asgi.wire.batch import BATCH_BYTES
from tests.harness import Peer, content_threads, only, serve, serving

USER: ContextVar[str] = ContextVar("user", default="nobody")

encode = Encoder().encode


def puller(items: Any, encode: Callable[[object], bytes] = encode) -> ThreadedIterator:
    return ThreadedIterator(items, encode, LoopState.current())


async def collect(batches: ThreadedIterator) -> list[EncodedBatch]:
    with anyio.fail_after(5):
        try:
            return [batch async for batch in batches]
        finally:
            await batches.aclose()


@pytest.mark.anyio
async def test_items_arrive_in_order_and_none_is_lost() -> None:
    items = [str(number) for number in range(20_000)]
    batches = await collect(puller(iter(items)))
    assert b"".join(batch.body for batch in batches) == b"".join(map(encode, items))
    assert sum(batch.events for batch in batches) == len(items)
    assert len(batches) < len(items) / 4


@pytest.mark.anyio
async def test_batches_are_bounded_in_bytes() -> None:
    batches = await collect(puller("x" * 10_000 for _ in range(100)))
    assert all(len(batch.body) < BATCH_BYTES + 10_100 for batch in batches)


@pytest.mark.anyio
async def test_item_is_there_as_soon_as_it_is_made() -> None:
    step, made = threading.Event(), threading.Event()

    def content() -> Iterator[str]:
        for number in range(100):
            step.wait(5)
            step.clear()
            made.set()
            yield str(number)

    batches = puller(content())
    with anyio.fail_after(10):
        for number in range(100):
            step.set()
            assert await batches.__anext__() == (encode(str(number)), 1, False)
    await batches.aclose()


@pytest.mark.anyio
async def test_item_that_comes_just_before_the_wait_is_not_missed(monkeypatch: Any) -> None:
    batches: Any = puller([])
    batches._thread = threading.current_thread()  # it is this test that hands over

    def event() -> anyio.Event:
        batches._hand_over("a")
        return anyio.Event()

    monkeypatch.setattr("sse_asgi.asgi.content.threaded.anyio", SimpleNamespace(Event=event))
    with anyio.fail_after(1):
        assert await batches.__anext__() == (encode("a"), 1, False)


@pytest.mark.anyio
async def test_iterable_runs_ahead_by_a_bounded_number_of_items() -> None:
    made = 0

    def content() -> Iterator[str]:
        nonlocal made
        while True:
            made += 1
            yield "x"

    batches = puller(content())
    try:
        taken = (await batches.__anext__()).events
        for _ in range(20):
            await anyio.sleep(0.001)
        assert made <= taken + READY_ITEMS + 1
    finally:
        await batches.aclose()
    assert not content_threads()


@pytest.mark.anyio
async def test_iterable_is_closed_in_the_thread_that_pulled_it() -> None:
    threads: list[threading.Thread] = []

    def content() -> Iterator[str]:
        threads.append(threading.current_thread())
        try:
            yield from map(str, count())
        finally:
            threads.append(threading.current_thread())

    batches = puller(content())
    await batches.__anext__()
    await batches.aclose()
    first, last = threads
    assert first is last
    assert first is not threading.main_thread()
    assert first.daemon


class Closable:
    """An iterator that counts how often it is closed."""

    def __init__(self, *items: object) -> None:
        self._items = iter(items)
        self.closed = 0

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        return next(self._items)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.anyio
async def test_iterator_is_closed_once_also_at_its_end() -> None:
    items = Closable("a")
    await serve(EventStream(items))
    assert items.closed == 1


@pytest.mark.anyio
async def test_iterator_that_was_never_pulled_is_closed() -> None:
    items = Closable("a")
    await puller(items).aclose()
    assert items.closed == 1


@pytest.mark.anyio
async def test_what_the_iterable_raises_comes_after_its_items() -> None:
    def content() -> Iterator[str]:
        yield "a"
        yield "b"
        raise KeyError("lost")

    peer = Peer()
    with pytest.raises(KeyError, match="lost"):
        await serve(EventStream(content), peer)
    assert peer.body == b"data: a\n\ndata: b\n\n"
    assert peer.ended


@pytest.mark.anyio
async def test_iterable_that_cannot_be_iterated_over_is_a_real_error_response() -> None:
    class Broken:
        def __iter__(self) -> Iterator[str]:
            raise KeyError("broken")

    peer = Peer()
    with pytest.raises(KeyError, match="broken"):
        await serve(EventStream(Broken()), peer)
    assert not peer.messages


@pytest.mark.anyio
async def test_what_the_iterable_raises_while_it_is_closed_is_logged(caplog: Any) -> None:
    def content() -> Iterator[str]:
        try:
            yield from map(str, count())
        finally:
            raise KeyError("in its finally")

    async with serving(
        EventStream(content), Peer(on_send=lambda number: anyio.lowlevel.checkpoint())
    ):
        await anyio.sleep(0.01)
    (record,) = caplog.records
    assert record.getMessage() == "GET /: failed while the stream was closing"
    assert "in its finally" in record.exc_text


@pytest.mark.anyio
async def test_what_the_iterable_raised_is_not_raised_a_second_time(caplog: Any) -> None:
    def content() -> Iterator[str]:
        yield "a"
        raise KeyError("once")

    with pytest.raises(KeyError, match="once"):
        await serve(EventStream(content))
    assert not caplog.records


@pytest.mark.anyio
async def test_iterable_that_blocks_is_waited_for_no_longer_than_the_cleanup_may_take() -> None:
    closed: list[StreamSummary] = []
    release, ended = threading.Event(), threading.Event()

    def content() -> Iterator[str]:
        try:
            yield "a"
            release.wait(5)
            yield "b"
        finally:
            ended.set()

    stream = EventStream(content, cleanup_timeout=0.01, on_close=closed.append)
    async with connect(stream) as events:
        assert (await events.receive()).data == "a"
    only(closed)
    assert not ended.is_set()
    release.set()
    assert await to_thread.run_sync(ended.wait, 5)


@pytest.mark.anyio
async def test_iterable_sees_the_context_of_the_request() -> None:
    def content() -> Iterator[str]:
        yield USER.get()

    USER.set("ann")
    assert (await serve(EventStream(content))).body == b"data: ann\n\n"


def test_thread_ends_when_the_event_loop_is_gone() -> None:
    made = threading.Event()
    closed = threading.Event()

    def content() -> Iterator[str]:
        try:
            yield "a"
            made.wait(5)
            yield from map(str, count())
        finally:
            closed.set()

    async def abandon() -> None:
        batches = puller(content())
        await batches.__anext__()
        with anyio.move_on_after(0.01):
            await batches.__anext__()

    anyio.run(abandon)
    made.set()
    assert closed.wait(5)
    assert not content_threads()
