"""Synchronous iterables: pulled in a thread of their own, bounded, closed in it, and never late."""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import from_thread, to_thread

from sse_asgi import CloseReason, Connection, EventStream, ServerSentEvent, StreamSummary
from sse_asgi.asgi.content.handover import READY_BYTES, READY_ITEMS, Handover
from sse_asgi.asgi.content.threaded import ThreadedIterator
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import connect
from sse_asgi.wire import EncodedBatch, Encoder
from sse_asgi.wire.batch import BATCH_BYTES
from tests.harness import Peer, content_threads, http_scope, only, serve, serving

USER: ContextVar[str] = ContextVar("user", default="nobody")

encode = Encoder().encode


def puller(items: Any, encode: Callable[[object], bytes] = encode) -> ThreadedIterator:
    return ThreadedIterator(items, encode, LoopState.current().workers, Connection(http_scope()))


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
    handover = Handover(LoopState.current().call_soon)

    def event() -> anyio.Event:
        handover.put(b"a")  # this test is the thread
        return anyio.Event()

    monkeypatch.setattr("sse_asgi.asgi.content.handover.anyio", SimpleNamespace(Event=event))
    with anyio.fail_after(1):
        await handover.wait()
    assert (handover.take().body, handover.is_empty) == (b"a", True)


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


@pytest.mark.anyio
async def test_iterable_runs_ahead_by_a_bounded_number_of_bytes() -> None:
    made = 0

    def content() -> Iterator[str]:
        nonlocal made
        while True:
            made += 1
            yield "x" * 10_000

    batches = puller(content())
    try:
        taken = (await batches.__anext__()).events
        for _ in range(20):
            await anyio.sleep(0.001)
        assert made <= taken + READY_BYTES // 10_000 + 2
    finally:
        await batches.aclose()


@pytest.mark.anyio
async def test_isolated_block_stays_alone() -> None:
    items = ["a", ServerSentEvent("secret", isolate=True), "b"]
    batches = await collect(puller(iter(items)))
    assert [batch.body for batch in batches if batch.isolated] == [b"data: secret\n\n"]


@pytest.mark.anyio
async def test_item_that_cannot_be_encoded_ends_the_content_after_the_items_before_it() -> None:
    closed: list[threading.Thread] = []

    def content() -> Iterator[object]:
        try:
            yield "a"
            yield object()
            yield "never"
        finally:
            closed.append(threading.current_thread())

    peer = Peer()
    with pytest.raises(TypeError, match="cannot be sent as JSON"):
        await serve(EventStream(content), peer)
    assert peer.body == b"data: a\n\n"
    assert closed[0].name == "sse_asgi content"


async def fetch(number: int) -> str:
    await anyio.sleep(0.001)
    return str(number)


@pytest.mark.anyio
async def test_iterable_may_call_into_the_event_loop() -> None:
    def content() -> Iterator[str]:
        for number in range(3):
            yield from_thread.run(fetch, number)
        yield from_thread.run_sync(str, from_thread.run_sync(this_library))
        from_thread.check_cancelled()

    def this_library() -> str:
        return "in the loop" if LoopState.current().event_loop.is_running_here else "outside"

    body = (await serve(EventStream(content))).body
    assert body == b"data: 0\n\ndata: 1\n\ndata: 2\n\ndata: in the loop\n\n"


@pytest.mark.anyio
async def test_iterable_may_run_an_event_loop_of_another_kind() -> None:
    def content() -> Iterator[str]:
        yield anyio.run(fetch, 5)

    assert (await serve(EventStream(content))).body == b"data: 5\n\n"


@pytest.mark.anyio
async def test_error_of_a_call_into_the_event_loop_is_raised_in_the_thread() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    def content() -> Iterator[str]:
        try:
            from_thread.run(fail)
        except KeyError as exc:
            yield str(exc)

    assert (await serve(EventStream(content))).body == b"data: 'lost'\n\n"


@pytest.mark.anyio
async def test_call_into_the_event_loop_ends_when_the_client_leaves(caplog: Any) -> None:
    seen: list[object] = []

    def content() -> Iterator[str]:
        try:
            yield "a"
            from_thread.run(anyio.sleep_forever)
        except BaseException as exc:
            seen.append(type(exc))
            raise
        finally:
            seen.append(from_thread.run(fetch, 7))  # clean-up may call as well
            try:
                from_thread.check_cancelled()
            except CancelledError:
                seen.append("cancelled")

    async with connect(EventStream(content)) as events:
        assert (await events.receive()).data == "a"
    assert seen == [CancelledError, "7", "cancelled"]
    assert not content_threads()
    assert not caplog.records


@pytest.mark.anyio
async def test_iterable_that_polls_ends_when_the_client_leaves(caplog: Any) -> None:
    waiting: queue.Queue[str] = queue.Queue()

    def content() -> Iterator[str]:
        while True:
            try:
                yield waiting.get(timeout=0.01)
            except queue.Empty:
                from_thread.check_cancelled()

    for _ in range(3):
        waiting.put("a")
        async with connect(EventStream(content)) as events:
            assert (await events.receive()).data == "a"
    assert not content_threads()
    waiting.put("kept")
    assert waiting.get_nowait() == "kept"
    assert not caplog.records


@pytest.mark.anyio
async def test_client_for_which_there_is_no_thread_gets_a_503(caplog: Any) -> None:
    loop = LoopState.current()
    was = loop.workers.limit
    loop.workers.limit = 1
    closed: list[StreamSummary] = []
    items = Closable("b")
    try:
        async with connect(EventStream(endless)) as events:
            assert (await events.receive()).data == "0"
            peer = await serve(EventStream(items, on_close=closed.append), path="/full")
        assert peer.status == 503
        assert 1 <= int(peer.headers[b"retry-after"]) <= 5
        assert peer.body == b"No thread is free for this stream"
        assert only(closed).reason is CloseReason.REFUSED
        assert items.closed == 1
        assert not content_threads()
        assert (await serve(EventStream(Closable("c")))).body == b"data: c\n\n"
    finally:
        loop.workers.limit = was
    (record,) = caplog.records
    assert record.getMessage() == (
        "GET /full: no thread for synchronous content: all 1 threads of this event loop are in use"
    )


def endless() -> Iterator[str]:
    yield from map(str, count())


@pytest.mark.anyio
async def test_thread_that_cannot_be_started_is_a_503_at_once(monkeypatch: Any) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    items = Closable("a")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with anyio.fail_after(1):
            peer = await serve(EventStream(items))
    assert peer.status == 503
    assert items.closed == 1
    assert LoopState.current().workers.running == 0


@pytest.mark.anyio
@pytest.mark.parametrize("outer", [False, True], ids=["client", "server"])
async def test_thread_that_overstays_is_logged_once_with_the_request(
    outer: bool, caplog: Any
) -> None:
    release, begun = threading.Event(), threading.Event()

    def content() -> Iterator[str]:
        yield "a"
        begun.set()
        release.wait(5)
        raise KeyError("too late")

    stream = EventStream(content, cleanup_timeout=0.02)
    peer = Peer()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream, http_scope(path="/slow"), peer.receive, peer.send)
        await to_thread.run_sync(begun.wait, 5)
        if outer:
            tasks.cancel_scope.cancel()
        else:
            peer.leave()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "GET /slow: cut the content's cleanup after 0.02 s"
    assert LoopState.current().workers.running == 1
    release.set()
    assert not content_threads()
    assert LoopState.current().workers.running == 0
    last = caplog.records[-1]
    assert last.getMessage() == "GET /slow: the content failed after the end of its stream"
    assert "too late" in last.exc_text


@pytest.mark.anyio
async def test_function_of_the_adapter_runs_in_the_thread_when_the_content_is_closed() -> None:
    log: list[tuple[str, threading.Thread]] = []

    def note(what: str) -> None:
        log.append((what, threading.current_thread()))

    def content() -> Iterator[str]:
        note("begun")
        try:
            yield from map(str, count())
        finally:
            note("closed")

    stream = EventStream(content)
    stream.options = stream.options.derived(thread_ended=lambda: note("released"))
    async with connect(stream) as events:
        assert (await events.receive()).data == "0"
    assert not content_threads()
    assert [what for what, _ in log] == ["begun", "closed", "released"]
    assert len({thread for _, thread in log}) == 1


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


@pytest.mark.anyio
async def test_content_is_freed_with_its_thread_and_not_by_the_garbage_collector() -> None:
    class Items:
        def __iter__(self) -> Iterator[str]:
            yield "a"

    items = Items()
    freed = weakref.ref(items)
    batches = puller(items)
    await collect(batches)
    assert not content_threads()
    gc.disable()
    try:
        del items, batches
        assert freed() is None
    finally:
        gc.enable()
