"""What belongs to one event loop stays in it: two in two threads do not disturb each other."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from anyio import to_thread

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, StreamSummary, drain
from sse_asgi.asgi import Clock, use_clock
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import VirtualClock, settle
from tests.harness import PING, Peer, nothing_left, only, serve, serving, until


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


class Loop:
    """An event loop in a thread of its own, with one open stream."""

    def __init__(self, app: Any, backend: str) -> None:
        self._app = app
        self._backend = backend
        self.peer: Peer | None = None
        self.open = threading.Event()
        self.leave: Callable[[], None] = lambda: None
        self.drain: Callable[[], None] = lambda: None
        self.thread = threading.Thread(
            target=anyio.run, args=(self._run,), kwargs={"backend": backend}
        )
        self.thread.start()
        assert self.open.wait(5)

    async def _run(self) -> None:
        call_soon = LoopState.current().call_soon
        async with serving(self._app) as served:
            self.peer = served.peer
            await settle()
            self.leave = lambda: call_soon(served.peer.leave)
            self.drain = lambda: call_soon(drain)
            self.open.set()
            await served.returned()

    def join(self) -> Peer:
        self.thread.join(5)
        assert not self.thread.is_alive()
        assert self.peer is not None
        return self.peer


PAIRS = [
    ("asyncio", "asyncio"),
    pytest.param("asyncio", "trio", marks=pytest.mark.needs("trio")),
    pytest.param("trio", "trio", marks=pytest.mark.needs("trio")),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_event_loops_in_two_threads_stream_and_stop_on_their_own(one: str, other: str) -> None:
    closed: list[StreamSummary] = []
    app = EventSourceApp(waiting, on_close=closed.append)
    first, second = Loop(app, one), Loop(app, other)
    first.drain()
    assert first.join().ended
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert second.thread.is_alive()
    second.leave()
    assert not second.join().ended
    assert closed[1].reason is CloseReason.CLIENT_GONE


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_app_drains_its_streams_in_all_event_loops(one: str, other: str) -> None:
    app = EventSourceApp(waiting)
    loops = [Loop(app, one), Loop(app, other)]
    app.drain()
    assert all(loop.join().ended for loop in loops)
    app.drain()  # those event loops are gone


def test_limit_of_an_app_holds_over_all_event_loops() -> None:
    app = EventSourceApp(waiting, max_connections=2)
    loops = [Loop(app, "asyncio"), Loop(app, "asyncio")]
    peer = asyncio.run(serve_once(app))
    assert peer.body.startswith(b"retry: ")
    for loop in loops:
        loop.leave()
        loop.join()


async def serve_once(app: Any) -> Peer:
    return await serve(app)


def test_event_loop_that_is_gone_leaves_nothing_for_the_next() -> None:
    states: list[LoopState] = []

    async def main() -> None:
        async with nothing_left(), serving(EventStream(waiting)) as served:
            await settle()
            states.append(LoopState.current())
            assert not states[-1].shutdown.is_stopping
            drain()
            await served.returned()

    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(main, backend=backend)
    assert len(set(map(id, states))) == 3


@pytest.mark.anyio
async def test_streams_go_by_the_clock_that_was_in_use_when_they_began() -> None:
    outer = LoopState.current()
    with VirtualClock() as clock:
        assert LoopState.current().clock is clock
        async with serving(EventStream(waiting, ping=5)) as served:
            await settle()
            with use_clock(Clock()):
                assert LoopState.current() is not outer
                async with serving(EventStream(waiting, ping=5)) as other:
                    await settle()
                    await clock.advance(10)
                    assert served.peer.bodies.count(PING) == 2
                    assert other.peer.bodies.count(PING) == 0
            assert LoopState.current().clock is clock
    assert LoopState.current() is outer


@pytest.mark.anyio
async def test_drain_ends_the_streams_of_the_clock_in_use_and_an_app_all_of_its_own() -> None:
    app = EventSourceApp(waiting)
    async with serving(app) as real:
        await settle()
        with VirtualClock() as clock:
            async with serving(app) as served:
                await settle()
                drain()
                await clock.advance(0)
                await served.returned()
        assert not real.task.done
        app.drain()
        await real.returned()


@pytest.mark.anyio
async def test_real_clock_is_that_of_the_event_loop() -> None:
    clock = LoopState.current().clock
    began = clock.now()
    assert abs(began - anyio.current_time()) < 1
    await clock.sleep_until(began + 0.02)
    assert clock.now() >= began + 0.019
    await clock.sleep_until(began)  # long past


@pytest.mark.anyio
async def test_keep_alive_and_late_head_go_by_the_real_clock_too() -> None:
    async with serving(EventStream(waiting, ping=0.01)) as served:
        await until(lambda: served.peer.bodies.count(PING) >= 2)

    async def late() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield "a"

    async with serving(EventStream(late, start_timeout=0.01)) as served:
        await until(lambda: served.peer.started)


@pytest.mark.anyio
async def test_event_loop_may_be_told_from_any_thread() -> None:
    told = anyio.Event()
    await to_thread.run_sync(LoopState.current().call_soon, told.set)
    with anyio.fail_after(5):
        await told.wait()


def test_event_loop_that_is_gone_cannot_be_told() -> None:
    async def main() -> LoopState:
        return LoopState.current()

    for backend in ("asyncio", "trio"):
        state = anyio.run(main, backend=backend)
        with pytest.raises(RuntimeError):
            state.call_soon(print)


EAGER = [None]
if sys.version_info >= (3, 12):
    EAGER.append(asyncio.eager_task_factory)


@pytest.mark.parametrize("factory", EAGER)
@pytest.mark.parametrize("gone", [True, False])
def test_tasks_may_begin_at_once(factory: Any, gone: bool) -> None:
    closed: list[StreamSummary] = []

    async def main() -> Peer:
        asyncio.get_running_loop().set_task_factory(factory)
        peer = Peer()
        if gone:
            peer.leave()
        stream = EventStream(waiting, on_close=closed.append)
        async with nothing_left(), serving(stream, peer) as served:
            if not gone:
                await settle()
                drain()
            await served.returned()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
        return peer

    peer = asyncio.run(asyncio.wait_for(main(), 5))
    assert peer.ended is not gone
    expected = CloseReason.CLIENT_GONE if gone else CloseReason.SERVER_STOPPING
    assert only(closed).reason is expected
