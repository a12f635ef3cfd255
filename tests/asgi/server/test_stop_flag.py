"""A server's own stop flag is found in the frames that run it, and read while streams are open."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.asgi.server import stop_flag
from sse_asgi.asgi.server.stop_flag import ServerState, find_servers
from sse_asgi.testing import VirtualClock, settle
from tests.harness import only, serving

pytestmark = pytest.mark.anyio

UVICORN = """
class Server:
    def __init__(self):
        self.should_exit = False
        self.servers = []

    async def serve(self, wait):
        await self.main_loop(wait)

    async def main_loop(self, wait):
        await wait()
"""

HYPERCORN = """
async def worker_serve(context, wait):
    await wait()
"""


class Listener:
    """A socket server of asyncio's."""

    def __init__(self) -> None:
        self.serving = True

    def is_serving(self) -> bool:
        return self.serving


class Terminated:
    """The event that hypercorn sets when it stops."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


class Context:
    """What hypercorn's worker keeps."""

    def __init__(self) -> None:
        self.terminated = Terminated()


def uvicorn() -> Any:
    """Return a server whose frames look like those of uvicorn."""
    names: dict[str, Any] = {"__name__": "uvicorn.server"}
    exec(UVICORN, names)
    return names["Server"]()


def gunicorn() -> Any:
    """Return a worker whose frames look like those of gunicorn's own ASGI worker."""
    names: dict[str, Any] = {"__name__": "gunicorn.workers.gasgi"}
    exec(UVICORN.replace("self.should_exit = False", "self.alive = True"), names)
    return names["Server"]()


def hypercorn(name: str = "") -> Callable[[Context, Any], Coroutine[Any, Any, None]]:
    """Return a function whose frame looks like that of hypercorn's worker."""
    own = "hypercorn.asyncio.run" if LoopState.current().on_asyncio else "hypercorn.trio.run"
    names: dict[str, Any] = {"__name__": name or own}
    exec(HYPERCORN, names)
    worker: Callable[[Context, Any], Coroutine[Any, Any, None]] = names["worker_serve"]
    return worker


def found() -> list[ServerState]:
    return find_servers(LoopState.current().on_asyncio)


async def waiting() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def test_no_server_is_found_where_there_is_none() -> None:
    assert found() == []


async def test_uvicorn_is_found_and_its_flag_is_read() -> None:
    server = uvicorn()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, anyio.sleep_forever)
        await settle()
        (state,) = found()
        assert not state.is_worker
        assert not state.is_stopping()
        server.servers = [Listener(), Listener()]
        assert not state.is_stopping()
        server.servers[1].serving = False  # it has served as many requests as it may
        assert state.is_stopping()
        server.servers = []
        server.should_exit = True
        assert state.is_stopping()
        tasks.cancel_scope.cancel()


async def test_uvicorn_that_is_gone_is_stopping() -> None:
    server = uvicorn()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, anyio.sleep_forever)
        await settle()
        (state,) = found()
        tasks.cancel_scope.cancel()
    del server
    gc.collect()  # the cancellation's traceback refers to its frames
    assert state.is_stopping()


async def test_gunicorn_s_worker_is_found_and_its_flag_is_read() -> None:
    worker = gunicorn()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.serve, anyio.sleep_forever)
        await settle()
        (state,) = found()
        assert not state.is_worker
        assert not state.is_stopping()
        worker.alive = False
        assert state.is_stopping()
        tasks.cancel_scope.cancel()


async def test_anycorn_is_found_and_its_flag_is_read() -> None:
    context = Context()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hypercorn("anycorn.run"), context, anyio.sleep_forever)
        await settle()
        (state,) = found()
        assert not state.is_stopping()
        context.terminated.set()
        assert state.is_stopping()
        tasks.cancel_scope.cancel()


async def test_hypercorn_is_found_and_its_flag_is_read() -> None:
    context = Context()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hypercorn(), context, anyio.sleep_forever)
        await settle()
        (state,) = found()
        assert not state.is_worker  # not in this process
        assert not state.is_stopping()
        context.terminated.set()
        assert state.is_stopping()
        tasks.cancel_scope.cancel()


async def test_server_that_is_not_what_it_was_is_no_reason_to_fail() -> None:
    server = uvicorn()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, anyio.sleep_forever)
        await settle()
        (state,) = found()
        server.servers = [object()]
        assert not state.is_stopping()
        del server.should_exit
        assert not state.is_stopping()
        assert found() == []
        tasks.cancel_scope.cancel()


async def test_streams_end_when_their_server_stops() -> None:
    closed: list[StreamSummary] = []
    server, context = uvicorn(), Context()
    stops: list[Callable[[], None]] = [
        lambda: setattr(server, "should_exit", True),
        context.terminated.set,
    ]
    for stop in stops:
        with VirtualClock() as clock:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, anyio.sleep_forever)
                tasks.start_soon(hypercorn(), context, anyio.sleep_forever)
                await settle()
                server.should_exit = False
                async with serving(EventStream(waiting, on_close=closed.append)) as served:
                    await clock.advance(1)
                    assert not served.task.done
                    stop()
                    await clock.advance(0.2)
                    await served.returned()
                tasks.cancel_scope.cancel()
        assert served.peer.ended
        assert closed.pop().reason is CloseReason.SERVER_STOPPING


async def test_next_server_in_the_same_event_loop_has_streams_of_its_own() -> None:
    closed: list[StreamSummary] = []
    stream = EventStream(waiting, on_close=closed.append)
    with VirtualClock() as clock:
        for _ in range(2):
            server = uvicorn()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, anyio.sleep_forever)
                await settle()
                async with serving(stream) as served:
                    await clock.advance(1)
                    assert not served.task.done
                await clock.advance(1)
                assert closed.pop().reason is CloseReason.CLIENT_GONE
                server.should_exit = True
                tasks.cancel_scope.cancel()


async def test_server_that_stops_is_heard_once_while_another_goes_on() -> None:
    closed: list[StreamSummary] = []
    stopping, other = uvicorn(), uvicorn()
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopping.serve, anyio.sleep_forever)
            tasks.start_soon(other.serve, anyio.sleep_forever)
            await settle()
            stream = EventStream(waiting, on_close=closed.append)
            async with serving(stream) as served:
                await clock.advance(1)
                stopping.should_exit = True
                await clock.advance(0.2)
                await served.returned()
            async with serving(stream) as served:
                await clock.advance(0.1)  # still within the seconds that a notice holds
                await served.returned()
            tasks.cancel_scope.cancel()
    assert [summary.reason for summary in closed] == [CloseReason.SERVER_STOPPING] * 2
    assert only(closed[:1]).events == 1


async def test_server_that_starts_after_the_first_stream_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stop_flag, "_SHARE", 0)  # a virtual clock leaves no time for a search
    closed: list[StreamSummary] = []
    stream = EventStream(waiting, on_close=closed.append)
    early, late = uvicorn(), uvicorn()
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(early.serve, anyio.sleep_forever)
            await settle()
            async with serving(stream):
                await clock.advance(1)
                tasks.start_soon(late.serve, anyio.sleep_forever)
                await settle()
                async with serving(stream) as served:
                    await clock.advance(0.4)
                    late.should_exit = True
                    await clock.advance(0.4)
                    await served.returned()
            tasks.cancel_scope.cancel()
    assert closed[0].reason is CloseReason.SERVER_STOPPING


async def test_stream_of_the_next_server_is_not_ended_by_the_notice_of_the_last() -> None:
    closed: list[StreamSummary] = []
    stream = EventStream(waiting, on_close=closed.append)
    with VirtualClock() as clock:
        async with anyio.create_task_group() as tasks:
            stopping = uvicorn()
            tasks.start_soon(stopping.serve, anyio.sleep_forever)
            await settle()
            async with serving(stream) as served:
                await clock.advance(1)
                stopping.should_exit = True
                await clock.advance(0.2)
                await served.returned()
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(uvicorn().serve, anyio.sleep_forever)
            await settle()
            async with serving(stream) as served:
                await clock.advance(1)
                assert not served.task.done
            tasks.cancel_scope.cancel()
    assert [summary.reason for summary in closed] == [
        CloseReason.SERVER_STOPPING,
        CloseReason.CLIENT_GONE,
    ]


async def test_search_among_many_tasks_looks_at_a_few_of_each_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[object] = []
    frames = stop_flag._frames

    def counted(coroutine: Any) -> Any:
        searched.append(coroutine)
        return frames(coroutine)

    monkeypatch.setattr(stop_flag, "_frames", counted)
    server = uvicorn()
    async with anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(anyio.sleep_forever)
        tasks.start_soon(server.serve, anyio.sleep_forever)
        await settle()
        assert len(found()) == 1
        assert len(searched) < 50
        tasks.cancel_scope.cancel()
