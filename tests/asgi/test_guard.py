"""Authorisation that ends: the time, the check, the key that is revoked."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from time import time
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from sse_asgi import (
    CloseReason,
    Connection,
    EventDecoder,
    EventSourceApp,
    EventStream,
    Refusal,
    StreamSummary,
    follow_revocations,
    revoke,
)
from sse_asgi.asgi.loop import LoopState
from sse_asgi.broadcast import Hub, MemoryBackend
from sse_asgi.testing import VirtualClock, settle
from tests.harness import ON_ASYNCIO, Peer, nothing_left, only, serve, serving, until
from tests.ready_content import Mail
from tests.timed import Stuck, event, feed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]

EXPIRED = b'retry: 7\n\nevent: expired\ndata: {"reason":"expired"}\n\n'
REVOKED = b'retry: 7\n\nevent: revoked\ndata: {"reason":"revoked"}\n\n'
CHALLENGE = b'Bearer error="invalid_token"'


class App:
    """An application whose content is quiet, and what becomes of it."""

    def __init__(self, content: Callable[[], Any] | None = None, **options: Any) -> None:
        self.closed: list[StreamSummary] = []
        self.opened = 0
        self._content = content or feed(0)
        self.app = EventSourceApp(
            self._handle,
            on_close=self.closed.append,
            **{"farewell_retry": (7, 7), "ping": None, **options},
        )

    def _handle(self, connection: Connection) -> Any:
        self.opened += 1
        return self._content()

    @property
    def reason(self) -> CloseReason:
        return only(self.closed).reason


class Checks:
    """Answers of ``revalidate``, and when they were asked for."""

    def __init__(self, *answers: Any) -> None:
        self.moments: list[float] = []
        self._answers = list(answers)

    async def __call__(self, connection: Connection) -> bool:
        self.moments.append(LoopState.current().clock.now())
        await checkpoint()
        answer = self._answers.pop(0) if self._answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def user(connection: Connection) -> str:
    return f"user:{connection.query['user']}"


def query(number: int) -> dict[str, Any]:
    return {"query_string": f"user={number}".encode()}


# -- the time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["number", "function", "coroutine function"])
@pytest.mark.parametrize("seconds", [0.5, 3, 100, 5000])
async def test_stream_ends_when_the_time_has_come(kind: str, seconds: float) -> None:
    with VirtualClock() as clock:
        moment = clock.posix_time() + seconds

        async def later(connection: Connection) -> float:
            await checkpoint()
            return moment

        given = {
            "number": moment,
            "function": lambda connection: moment,
            "coroutine function": later,
        }
        app = App(expires_at=given[kind])
        async with serving(app.app) as served:
            await clock.advance(seconds - 0.01)
            assert not app.closed
            assert served.peer.bodies[0] == event(0)
            await clock.advance(0.011)
            await served.returned()
    assert app.reason is CloseReason.EXPIRED
    assert served.peer.ended
    assert served.peer.body.endswith(EXPIRED)


async def test_client_of_an_expired_token_is_refused_before_the_handler_is_called() -> None:
    app = App(expires_at=lambda connection: time() - 1)
    peer = await serve(app.app)
    assert (peer.status, peer.body) == (401, b"")
    assert peer.headers[b"www-authenticate"] == CHALLENGE
    assert not app.opened
    assert not app.closed


async def test_stream_that_expires_before_its_head_is_a_401() -> None:
    with VirtualClock() as clock:
        app = App(feed(), expires_at=clock.posix_time() + 5, start_timeout=60)
        async with serving(app.app) as served:
            await clock.advance(5.001)
            await served.returned()
    assert served.peer.status == 401
    assert served.peer.headers[b"www-authenticate"] == CHALLENGE
    assert app.reason is CloseReason.EXPIRED


class SetClock(VirtualClock):
    """A clock whose POSIX time somebody sets."""

    offset = 0.0

    def posix_time(self) -> float:
        return super().posix_time() + self.offset


async def test_clock_that_is_set_forward_is_noticed_within_half_a_minute() -> None:
    clock = SetClock()
    with clock:
        app = App(expires_at=clock.posix_time() + 7200)
        async with serving(app.app) as served:
            await clock.advance(100)
            clock.offset = 7200
            await clock.advance(30)
            await served.returned()
    assert app.reason is CloseReason.EXPIRED


async def test_clock_that_is_set_back_gives_the_time_that_is_left() -> None:
    clock = SetClock()
    with clock:
        app = App(expires_at=clock.posix_time() + 50)
        async with serving(app.app) as served:
            await clock.advance(40)
            clock.offset = -100
            await clock.advance(100)
            assert not app.closed
            await clock.advance(11)
            await served.returned()
    assert app.reason is CloseReason.EXPIRED


async def test_stream_of_an_expiry_of_none_goes_on() -> None:
    with VirtualClock() as clock:
        app = App(expires_at=lambda connection: None)
        async with serving(app.app):
            await clock.advance(10_000)
            assert not app.closed
    assert app.reason is CloseReason.CLIENT_GONE


@pytest.mark.parametrize("value", ["soon", 60, 1.8e12, True])
async def test_impossible_expiry_of_a_function_is_an_error_of_the_program(value: Any) -> None:
    app = App(expires_at=lambda connection: value)
    with pytest.raises((TypeError, ValueError), match="expires_at must be a POSIX time"):
        await serve(app.app)
    assert not app.opened


async def test_client_that_does_not_read_is_cut_when_its_stream_expires() -> None:
    with VirtualClock() as clock:
        app = App(feed(0, 1), expires_at=clock.posix_time() + 5, send_timeout=None)
        async with serving(app.app, Stuck(3)) as served:
            await clock.advance(7)
            await served.returned()
    assert app.reason is CloseReason.EXPIRED


async def test_events_that_a_window_holds_arrive_before_the_end() -> None:
    with VirtualClock() as clock:
        app = App(feed(0, 1, 1.01, 1.02), expires_at=clock.posix_time() + 1.05, window=1)
        async with serving(app.app) as served:
            await clock.advance(1.06)
            await served.returned()
    assert served.peer.body == event(0) + event(1) + event(1.01) + event(1.02) + EXPIRED


# -- the check -------------------------------------------------------------------------------------


async def test_check_is_repeated_at_random_intervals() -> None:
    checks = Checks()
    with VirtualClock() as clock:
        app = App(revalidate=checks, revalidate_interval=10)
        async with serving(app.app):
            await clock.advance(1000)
    assert checks.moments[0] == 0
    intervals = [b - a for a, b in zip(checks.moments, checks.moments[1:], strict=False)]
    assert 100 <= len(intervals) <= 125
    assert 8 <= min(intervals) < 8.5
    assert 9.5 < max(intervals) <= 10


@pytest.mark.parametrize("answer", [False, Refusal(403), Refusal(401)])
async def test_no_ends_the_stream(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    with VirtualClock() as clock:
        app = App(revalidate=Checks(True, True, answer), revalidate_interval=10)
        async with serving(app.app) as served:
            await clock.advance(15)
            assert not app.closed
            await clock.advance(5)
            await served.returned()
    assert app.reason is CloseReason.REVOKED
    assert served.peer.body == event(0) + REVOKED
    assert not caplog.records


@pytest.mark.parametrize("answer", [ValueError("no database"), None, 1])
async def test_check_that_fails_counts_as_a_no(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with VirtualClock() as clock:
        app = App(revalidate=Checks(True, answer), revalidate_interval=10)
        async with serving(app.app) as served:
            await clock.advance(10)
            await served.returned()
    assert app.reason is CloseReason.REVOKED
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "GET /: revalidate failed, so the stream ends" in caplog.text


async def test_check_that_never_answers_counts_as_a_no() -> None:
    asked: list[Connection] = []

    async def hanging(connection: Connection) -> bool:
        asked.append(connection)
        if len(asked) > 1:
            await anyio.sleep_forever()
        return True

    app = App(revalidate=hanging, revalidate_interval=0.1)
    async with nothing_left(), serving(app.app) as served:
        await served.returned()
    assert app.reason is CloseReason.REVOKED


async def test_check_that_is_under_way_ends_with_its_stream() -> None:
    asked: list[str] = []

    async def hanging(connection: Connection) -> bool:
        asked.append("asked")
        if len(asked) > 1:
            try:
                await anyio.sleep_forever()
            finally:
                asked.append("ended")
        return True

    app = App(revalidate=hanging, revalidate_interval=100)
    with VirtualClock() as clock:
        async with serving(app.app):
            await clock.advance(100)
            assert asked == ["asked", "asked"]
        await settle()
    assert asked[2:] == ["ended"]
    assert app.reason is CloseReason.CLIENT_GONE


@pytest.mark.parametrize(("answer", "status"), [(False, 401), (Refusal(403, "no"), 403)])
async def test_first_no_is_the_answer_to_the_request(answer: Any, status: int) -> None:
    app = App(revalidate=Checks(answer))
    peer = await serve(app.app)
    assert peer.status == status
    assert not app.opened


async def test_plain_function_may_check() -> None:
    allowed = {"user:1"}
    with VirtualClock() as clock:
        app = App(revalidate=lambda connection: user(connection) in allowed)
        async with serving(app.app, **query(1)) as served:
            await clock.advance(100)
            assert not app.closed
            allowed.clear()
            await clock.advance(60)
            await served.returned()
        assert (await serve(app.app, **query(1))).status == 401
    assert app.reason is CloseReason.REVOKED


async def test_wrong_answer_to_the_first_check_is_an_error_of_the_program() -> None:
    app = App(revalidate=Checks(None))
    with pytest.raises(TypeError, match="the answer of revalidate must be True or False, not None"):
        await serve(app.app)


async def test_check_runs_in_the_context_of_its_request() -> None:
    name: ContextVar[str] = ContextVar("name", default="none")
    seen: list[str] = []

    def check(connection: Connection) -> bool:
        seen.append(name.get())
        return True

    stream = App(revalidate=check, revalidate_interval=10)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        name.set("request 7")
        await stream.app(scope, receive, send)

    with VirtualClock() as clock:
        async with serving(app):
            await clock.advance(30)
    assert len(seen) >= 3
    assert set(seen) == {"request 7"}


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False})], ids=["asyncio"])
async def test_checks_need_no_task_of_their_own() -> None:
    async def count(**options: Any) -> int:
        app = App(**options)
        with VirtualClock() as clock:
            async with AsyncExitStack() as stack:
                for _ in range(50):
                    await stack.enter_async_context(serving(app.app))
                await clock.advance(200)
                return len(asyncio.all_tasks())

    guarded = await count(revalidate=Checks(), expires_at=time() + 10_000, key="user:1")
    assert guarded == await count()


# -- the key ---------------------------------------------------------------------------------------


async def test_revoked_key_ends_its_streams_and_no_others() -> None:
    app = App(key=user)
    with VirtualClock() as clock:
        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(serving(app.app, **query(number % 3)))
                for number in range(9)
            ]
            await clock.advance(1)
            revoke("user:1")
            await clock.advance(0)
            for number, served in enumerate(streams):
                assert served.task.done is (number % 3 == 1)
            assert {served.peer.body for served in streams[1::3]} == {event(0) + REVOKED}
            revoke("user:1")
            revoke("nobody")
        reasons = [summary.reason for summary in app.closed]
    assert reasons.count(CloseReason.REVOKED) == 3
    assert reasons.count(CloseReason.CLIENT_GONE) == 6


@pytest.mark.parametrize(
    "key", ["user:1", ["session:8", "user:1"], lambda connection: ("user:1", "x")]
)
async def test_stream_may_have_several_keys(key: Any) -> None:
    app = App(key=key)
    async with nothing_left(), serving(app.app) as served:
        await settle()
        revoke("user:1")
        await served.returned()
        assert not LoopState.current().keyring._streams
    assert app.reason is CloseReason.REVOKED


@pytest.mark.parametrize("key", [7, b"user:1", [7], "", [""]])
async def test_impossible_key_of_a_function_is_an_error_of_the_program(key: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="key must be"):
        await serve(App(key=lambda connection: key).app)


async def test_key_function_may_authenticate() -> None:
    def authenticate(connection: Connection) -> str:
        if "user" not in connection.query:
            raise Refusal(403, "who are you?")
        return user(connection)

    app = App(list, key=authenticate)
    assert (await serve(app.app)).status == 403
    assert (await serve(app.app, **query(7))).status == 200


async def test_key_that_is_revoked_while_the_request_is_checked_is_a_401() -> None:
    asked, answer = anyio.Event(), anyio.Event()

    async def check(connection: Connection) -> bool:
        asked.set()
        await answer.wait()
        return True

    app = App(key="user:1", revalidate=check)
    async with nothing_left(), serving(app.app) as served:
        await asked.wait()
        revoke("user:1")
        answer.set()
        await served.returned()
    assert served.peer.status == 401
    assert not app.opened


async def test_application_ends_its_own_streams_only() -> None:
    one, other = App(key="user:1"), App(key="user:1")
    async with nothing_left(), serving(one.app) as first, serving(other.app) as second:
        await settle()
        one.app.revoke("user:1")
        await first.returned()
        assert not second.task.done
    assert (one.reason, other.reason) == (CloseReason.REVOKED, CloseReason.CLIENT_GONE)


async def test_thread_may_revoke() -> None:
    app = App(key="user:1")
    async with nothing_left(), serving(app.app) as served:
        await settle()
        await to_thread.run_sync(app.app.revoke, "user:1")
        await served.returned()
    assert app.reason is CloseReason.REVOKED


async def test_worker_thread_of_anyio_may_call_revoke() -> None:
    app = App(key="user:1")
    async with nothing_left(), serving(app.app) as served:
        await settle()
        await to_thread.run_sync(lambda: anyio.from_thread.run_sync(revoke, "user:1"))
        await served.returned()
    assert app.reason is CloseReason.REVOKED


@ON_ASYNCIO
async def test_callback_of_the_event_loop_may_revoke() -> None:
    app = App(key="user:1")
    async with nothing_left(), serving(app.app) as served:
        await settle()
        asyncio.get_running_loop().call_soon(revoke, "user:1")
        await served.returned()
    assert app.reason is CloseReason.REVOKED


def test_application_of_two_event_loops_ends_the_streams_of_both() -> None:
    app = App(key="user:1")
    barrier = threading.Barrier(3)

    async def run() -> None:
        async with serving(app.app) as served:
            await until(lambda: served.peer.bodies)
            await to_thread.run_sync(barrier.wait)
            await served.returned()

    threads = [
        threading.Thread(target=anyio.run, args=(run,), kwargs={"backend": backend})
        for backend in ("asyncio", "trio")
    ]
    for thread in threads:
        thread.start()
    barrier.wait(5)
    app.app.revoke("user:1")
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert [summary.reason for summary in app.closed] == [CloseReason.REVOKED] * 2


@pytest.mark.parametrize("key", [None, 7, b"user:1"])
async def test_key_to_revoke_must_be_a_text(key: Any) -> None:
    with pytest.raises(TypeError, match="key must be a str"):
        revoke(key)
    with pytest.raises(TypeError, match="key must be a str"):
        App().app.revoke(key)


async def test_of_1000_streams_10_are_revoked_and_the_others_lose_nothing() -> None:
    hub = Hub(MemoryBackend())
    app = App(lambda: hub.subscribe("t"), key=user)
    peers = [Peer(turns=False) for _ in range(1000)]
    async with nothing_left(), AsyncExitStack() as stack:
        for number, peer in enumerate(peers):
            await stack.enter_async_context(serving(app.app, peer, **query(number // 10)))
        await settle()
        for number in range(20):
            await hub.publish("t", str(number))
            if number == 9:
                await settle()
                revoke("user:42")
        await until(lambda: all(len(texts(peer)) == 20 for peer in peers[:420]))
        await settle()
        numbers = list(map(str, range(20)))
        for number, peer in enumerate(peers):
            if number // 10 == 42:
                assert texts(peer) == [*numbers[:10], '{"reason":"revoked"}']
                assert peer.ended
            else:
                assert texts(peer) == numbers
                assert not peer.ended


def texts(peer: Peer) -> list[str]:
    events = EventDecoder().feed(peer.body)
    return [one.data for one in events if one.event != "position"]


async def test_content_that_was_given_is_closed_when_the_request_is_refused() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            log.append("closed")

    peer = await serve(EventStream(content(), expires_at=time() - 1))
    assert peer.status == 401
    assert log == ["closed"]


@pytest.mark.parametrize("kind", ["ready", "sync", "async"])
async def test_every_kind_of_content_can_be_revoked(kind: str) -> None:
    log: list[str] = []
    let_go = threading.Event()

    def sync() -> Any:
        yield "a"
        let_go.wait(5)
        log.append("closed")

    async def plain() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            log.append("closed")

    makers: dict[str, Any] = {"ready": lambda: Mail("a", log=log), "sync": sync, "async": plain}
    app = App(makers[kind], key="user:1")
    async with nothing_left(), serving(app.app) as served:
        await until(lambda: served.peer.bodies)
        revoke("user:1")
        let_go.set()
        await served.returned()
    assert served.peer.body == b"data: a\n\n" + REVOKED
    assert log == ["closed"]


# -- revocations from elsewhere --------------------------------------------------------------------


async def test_topic_of_a_hub_carries_revocations() -> None:
    hub = Hub(MemoryBackend())
    app = App(key=user)
    async with nothing_left(), anyio.create_task_group() as tasks:
        tasks.start_soon(follow_revocations, hub.subscribe("revocations"))
        async with serving(app.app, **query(1)) as one, serving(app.app, **query(2)) as other:
            await settle()
            await hub.publish("revocations", {"event": "another", "data": "user:2"})
            await hub.publish("revocations", {"event": "revoked", "data": "user:1"})
            await one.returned()
            assert not other.task.done
        tasks.cancel_scope.cancel()
    assert app.closed[0].reason is CloseReason.REVOKED


async def test_revocations_that_were_missed_end_every_stream_with_a_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def missed() -> AsyncIterator[object]:
        yield {"event": "gap", "data": {"reason": "too-slow", "lost": None}}

    keyed, other = App(key=user), App()
    async with nothing_left(), serving(keyed.app, **query(1)) as one, serving(other.app) as two:
        await settle()
        await follow_revocations(missed())
        await one.returned()
        assert not two.task.done
    assert keyed.reason is CloseReason.EXPIRED
    assert one.peer.body.endswith(EXPIRED)
    assert "revocations were missed" in caplog.text
