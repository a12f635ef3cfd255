"""Content that holds a scope open across its yields: groups, timeouts, shields.

Every ending has to unwind the scope in order, and must leave the caller's own scopes alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, EventSourceApp, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import settle
from tests.harness import ON_ASYNCIO, Peer, Served, nothing_left, only, serving, until

pytestmark = pytest.mark.anyio

FAREWELL = b"retry: 7\n\n"


class Scoped:
    """Content in a scope, and what becomes of it and of the tasks that it starts."""

    def __init__(self, kind: str, item: object = "two") -> None:
        self.children = 0
        self.log: list[str] = []
        self.closed: list[StreamSummary] = []
        self._item = item
        self.app = EventSourceApp(
            lambda connection: getattr(self, kind)(),
            on_close=self.closed.append,
            farewell_retry=(7, 7),
            send_timeout=0.05,
            cleanup_timeout=1,
        )

    async def anyio_group(self) -> AsyncIterator[object]:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._child)
                yield "one"
                yield self._item
                await anyio.sleep_forever()
                tasks.cancel_scope.cancel()
        finally:
            self.log.append("closed")

    async def anyio_scope(self) -> AsyncIterator[object]:
        try:
            with anyio.move_on_after(60):
                yield "one"
                yield self._item
                await anyio.sleep_forever()
        finally:
            self.log.append("closed")

    async def asyncio_group(self) -> AsyncIterator[object]:
        try:
            async with asyncio.TaskGroup() as tasks:
                child = tasks.create_task(self._child())
                yield "one"
                yield self._item
                await anyio.sleep_forever()
                child.cancel()
        finally:
            self.log.append("closed")

    async def asyncio_timeout(self) -> AsyncIterator[object]:
        try:
            async with asyncio.timeout(60):
                yield "one"
                yield self._item
                await anyio.sleep_forever()
        finally:
            self.log.append("closed")

    async def _child(self) -> None:
        self.children += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.children -= 1

    @property
    def reason(self) -> CloseReason:
        return only(self.closed).reason


async def call_twice_over(app: Any, *arguments: Any) -> None:
    """Call the app within scopes of the server's, and wait once more: is their stack in order?"""
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope():
            await app(*arguments)
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


async def hang(number: int) -> None:
    if number >= 3:
        await anyio.sleep_forever()


async def hang_once(number: int) -> None:
    if number == 3:
        await anyio.sleep_forever()


async def break_off(number: int) -> None:
    if number >= 3:
        raise OSError("gone")


async def leave(scoped: Scoped, served: Served) -> None:
    served.peer.leave()


async def drain(scoped: Scoped, served: Served) -> None:
    scoped.app.drain()


async def nothing(scoped: Scoped, served: Served) -> None:
    pass


Act = Callable[[Scoped, Served], Any]

# The server's send, what happens then, the reason, whether the body is ended.
ENDINGS: dict[str, tuple[Any, Act, CloseReason, bool]] = {
    "client leaves": (None, leave, CloseReason.CLIENT_GONE, False),
    "client leaves while send waits": (hang, leave, CloseReason.CLIENT_GONE, False),
    "send says that the client has left": (break_off, nothing, CloseReason.CLIENT_GONE, False),
    "client is slow": (hang, nothing, CloseReason.SLOW_CLIENT, False),
    "server stops": (None, drain, CloseReason.SERVER_STOPPING, True),
    "server stops while send waits": (hang_once, drain, CloseReason.SERVER_STOPPING, True),
}
EITHER = ("anyio_group", "anyio_scope")
ASYNCIO = ("asyncio_group", "asyncio_timeout")


async def ends_in_order(kind: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.deadlines.FAREWELL_TIMEOUT", 0.05)
    on_send, act, reason, ended = ENDINGS[ending]
    scoped = Scoped(kind)

    async def app(*arguments: Any) -> None:
        await call_twice_over(scoped.app, *arguments)

    peer = Peer(on_send=on_send)
    async with nothing_left(), serving(app, peer) as served:
        await until(lambda: peer.sends >= 3)
        await act(scoped, served)
        await served.returned()
    assert scoped.log == ["closed"]
    assert not scoped.children
    assert scoped.reason is reason
    assert peer.ended is ended
    if ended:
        assert peer.bodies[-1] == FAREWELL


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", EITHER)
async def test_scope_of_anyio_s_unwinds(kind: str, ending: str, monkeypatch: Any) -> None:
    await ends_in_order(kind, ending, monkeypatch)


@ON_ASYNCIO
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ASYNCIO)
async def test_scope_of_asyncio_s_unwinds(kind: str, ending: str, monkeypatch: Any) -> None:
    await ends_in_order(kind, ending, monkeypatch)


async def unsendable(kind: str, caplog: Any) -> None:
    scoped = Scoped(kind, item={"data": "x", "id": 5})
    peer = Peer()
    with pytest.raises(TypeError, match="id"):
        async with nothing_left(), serving(scoped.app, peer) as served:
            await served.returned()
    assert scoped.log == ["closed"]
    assert not scoped.children
    assert scoped.reason is CloseReason.ERROR
    assert peer.ended
    assert not caplog.records


@pytest.mark.parametrize("kind", EITHER)
async def test_item_that_cannot_be_sent_closes_the_scope(kind: str, caplog: Any) -> None:
    await unsendable(kind, caplog)


@ON_ASYNCIO
@pytest.mark.parametrize("kind", ASYNCIO)
async def test_item_that_cannot_be_sent_closes_asyncio_s_scope(kind: str, caplog: Any) -> None:
    await unsendable(kind, caplog)


async def cancelled_by_the_server(kind: str) -> None:
    scoped = Scoped(kind)
    peer = Peer(on_send=hang_once)
    async with nothing_left(), serving(scoped.app, peer) as served:
        await until(lambda: peer.sends >= 3)
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert scoped.log == ["closed"]
    assert not scoped.children
    assert scoped.reason is CloseReason.SERVER_STOPPING
    assert peer.bodies[-1] == FAREWELL
    assert peer.ended


@pytest.mark.parametrize("kind", EITHER)
async def test_server_s_cancellation_unwinds_the_scope(kind: str) -> None:
    await cancelled_by_the_server(kind)


@ON_ASYNCIO
@pytest.mark.parametrize("kind", ASYNCIO)
async def test_server_s_cancellation_unwinds_asyncio_s_scope(kind: str) -> None:
    await cancelled_by_the_server(kind)


async def merged(log: list[str]) -> AsyncIterator[str]:
    async def produce(name: str) -> None:
        try:
            async with send.clone() as to:
                while True:
                    await to.send(name)
        except BaseException as exc:
            log.append(type(exc).__name__)
            raise

    async with anyio.create_task_group() as tasks:
        send, receive = anyio.create_memory_object_stream[str]()
        with send, receive:
            tasks.start_soon(produce, "a")
            tasks.start_soon(produce, "b")
            async for item in receive:
                yield item


async def test_tasks_in_the_content_s_group_are_cancelled_and_see_no_broken_stream(
    caplog: Any,
) -> None:
    log: list[str] = []
    peer = Peer(on_send=hang)
    app = EventSourceApp(lambda connection: merged(log))
    async with nothing_left(), serving(app, peer) as served:
        await until(lambda: peer.sends >= 3)
        peer.leave()
        await served.returned()
    cancelled = anyio.get_cancelled_exc_class().__name__
    assert log == [cancelled, cancelled]
    assert not caplog.records


async def shield(number: int) -> None:
    """Wait as hypercorn does on trio: nothing but the end of the connection breaks it off."""
    if number == 3:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.02)


@pytest.mark.parametrize("kind", EITHER)
async def test_scope_unwinds_after_a_send_that_cannot_be_cancelled(kind: str, caplog: Any) -> None:
    scoped = Scoped(kind)
    peer = Peer(on_send=shield)
    async with nothing_left(), serving(scoped.app, peer) as served:
        await until(lambda: peer.sends >= 3)
        peer.leave()
        await served.returned()
    assert scoped.log == ["closed"]
    assert not scoped.children
    assert scoped.reason is CloseReason.CLIENT_GONE
    assert not caplog.records


# -- a timeout of the content's own, while the client is slow --------------------------------------


async def own_scope(log: list[str]) -> AsyncIterator[str]:
    with anyio.move_on_after(0.02) as scope:
        yield "one"
        yield "two"
        await anyio.sleep_forever()
    if scope.cancelled_caught:
        log.append("late")
        yield "late"


async def own_failure(log: list[str]) -> AsyncIterator[str]:
    with anyio.fail_after(0.02):
        yield "one"
        yield "two"
        await anyio.sleep_forever()


async def own_timeout(log: list[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(0.02):
        yield "one"
        yield "two"
        await anyio.sleep_forever()


async def own_caught_timeout(log: list[str]) -> AsyncIterator[str]:
    try:
        async with asyncio.timeout(0.02):
            yield "one"
            yield "two"
            await anyio.sleep_forever()
    except TimeoutError:
        log.append("late")
        yield "late"


async def failing_child(log: list[str]) -> AsyncIterator[str]:
    async def fail() -> None:
        await asyncio.sleep(0.02)
        raise LookupError("the child")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())
        yield "one"
        yield "two"
        await anyio.sleep_forever()


async def raised_by(content: Any, peer: Peer) -> tuple[list[str], StreamSummary, Any]:
    log: list[str] = []
    closed: list[StreamSummary] = []
    app = EventSourceApp(lambda connection: content(log), on_close=closed.append)
    error: BaseException | None = None
    async with nothing_left(), serving(app, peer) as served:
        try:
            await served.returned()
        except Exception as exc:
            error = exc
    assert not served.task.cancelled
    assert peer.ended
    return log, only(closed), error


SLOW = [None, hang_once]


@pytest.mark.parametrize("on_send", SLOW, ids=["quick client", "slow client"])
async def test_own_timeout_that_the_content_catches_is_no_end(on_send: Any) -> None:
    peer = Peer(on_send=on_send)
    log, summary, error = await raised_by(own_scope, peer)
    assert (log, summary.reason, error) == (["late"], CloseReason.COMPLETED, None)
    assert peer.bodies[-1] == b"data: late\n\n"


@pytest.mark.parametrize("on_send", SLOW, ids=["quick client", "slow client"])
async def test_own_timeout_is_the_content_s_error(on_send: Any) -> None:
    _, summary, error = await raised_by(own_failure, Peer(on_send=on_send))
    assert isinstance(error, TimeoutError)
    assert summary.reason is CloseReason.ERROR
    assert summary.error is error


@ON_ASYNCIO
@pytest.mark.parametrize("on_send", SLOW, ids=["quick client", "slow client"])
async def test_own_timeout_of_asyncio_s_stays_the_content_s(on_send: Any) -> None:
    _, summary, error = await raised_by(own_timeout, Peer(on_send=on_send))
    assert isinstance(error, TimeoutError)
    assert summary.reason is CloseReason.ERROR
    log, summary, error = await raised_by(own_caught_timeout, Peer(on_send=on_send))
    assert (log, summary.reason, error) == (["late"], CloseReason.COMPLETED, None)


@ON_ASYNCIO
@pytest.mark.parametrize("on_send", SLOW, ids=["quick client", "slow client"])
async def test_child_that_fails_is_the_content_s_error(on_send: Any) -> None:
    _, summary, error = await raised_by(failing_child, Peer(on_send=on_send))
    assert isinstance(error, ExceptionGroup)
    assert isinstance(error.exceptions[0], LookupError)
    assert summary.error is error


# -- shields ---------------------------------------------------------------------------------------


async def commit(log: list[str]) -> AsyncIterator[str]:
    yield "a"
    with anyio.CancelScope(shield=True):
        log.append("begin")
        await anyio.sleep(0.03)
        log.append("commit")
    await anyio.sleep_forever()


async def commit_in_a_thread(log: list[str]) -> AsyncIterator[str]:
    import time

    yield "a"
    try:
        log.append("begin")
        await anyio.to_thread.run_sync(time.sleep, 0.03)
        log.append("commit")
    finally:
        log.append("end")


async def commit_again_and_again(log: list[str]) -> AsyncIterator[str]:
    yield "a"
    for _ in range(1000):
        with anyio.CancelScope(shield=True):
            log.append("begin")
            await anyio.sleep(0.002)
            log.append("commit")
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("how", ["client leaves", "server stops", "lifetime"])
@pytest.mark.parametrize("content", [commit, commit_in_a_thread, commit_again_and_again])
async def test_shielded_region_is_waited_for(content: Any, how: str) -> None:
    log: list[str] = []
    lifetime = 0.01 if how == "lifetime" else None
    app = EventSourceApp(lambda connection: content(log), max_lifetime=lifetime)
    async with nothing_left(), serving(app) as served:
        await until(lambda: "begin" in log)
        if how == "client leaves":
            served.peer.leave()
        elif how == "server stops":
            app.drain()
        await served.returned()
    steps = [step for step in log if step != "end"]
    assert steps == ["begin", "commit"] * (len(steps) // 2)
    assert len(steps) < 1000


@ON_ASYNCIO
async def test_shield_holds_no_longer_than_the_cleanup_may_take(caplog: Any) -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
            with anyio.CancelScope(shield=True):
                log.append("begin")
                await anyio.sleep_forever()
        finally:
            log.append("closed")

    app = EventSourceApp(lambda connection: content(), cleanup_timeout=0.02)
    async with nothing_left(), serving(app, path="/feed") as served:
        await until(lambda: log)
        served.peer.leave()
        await served.returned()
    assert log == ["begin", "closed"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "GET /feed: cut the content's cleanup after 0.02 s"


async def test_shield_around_the_app_is_nothing_to_the_stream() -> None:
    app = Scoped("anyio_scope").app

    async def call(*arguments: Any) -> None:
        with anyio.CancelScope(shield=True):
            await app(*arguments)

    async with nothing_left(), serving(call) as served:
        await settle()
        served.peer.leave()
        with anyio.fail_after(0.5):
            await served.returned()


@ON_ASYNCIO
async def test_cleanup_that_shields_itself_does_not_spin() -> None:
    cancelled = 0

    async def content() -> AsyncIterator[str]:
        nonlocal cancelled
        try:
            yield "a"
        finally:
            saving = asyncio.ensure_future(asyncio.sleep(0.2))
            while not saving.done():
                try:
                    await asyncio.shield(saving)
                except asyncio.CancelledError:
                    cancelled += 1

    app = EventSourceApp(lambda connection: content(), cleanup_timeout=0.02)
    async with nothing_left(), serving(app, Peer(on_send=hang_from_the_second)) as served:
        await until(lambda: served.peer.sends >= 2)
        served.peer.leave()
        await served.returned()
    assert 1 <= cancelled < 10


async def hang_from_the_second(number: int) -> None:
    if number >= 2:
        await anyio.sleep_forever()


@ON_ASYNCIO
async def test_canary_anyio_still_keeps_its_scopes_where_they_are_looked_for() -> None:
    from sse_asgi.runtime.scopes import innermost_scope, is_shielded, tasks_within

    task = asyncio.current_task()
    assert task is not None
    outer = innermost_scope(task)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        await settle()
        with anyio.CancelScope() as scope:
            assert innermost_scope(task) is scope
            assert not is_shielded(task, outer)
            assert len(tasks_within(task, outer)) == 1
            scope.shield = True
            assert is_shielded(task, outer)
            assert not is_shielded(task, scope)
            await settle()
        tasks.cancel_scope.cancel()
    assert innermost_scope(task) is outer
    assert LoopState.current().on_asyncio
