"""Streams of content that is ready before it is asked for: as any other, with one task less."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, Refusal, StreamSummary
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import VirtualClock, settle
from tests.harness import (
    HEAD_BODY,
    ON_ASYNCIO,
    PING,
    Peer,
    Served,
    http_scope,
    nothing_left,
    only,
    serve,
    serving,
    until,
)
from tests.ready_content import Mail
from tests.timed import Stuck

pytestmark = pytest.mark.anyio

FAREWELL = b"retry: 7\n\n"


class Oops(Exception):
    """What the failing content raises."""


class Posted:
    """An app whose one stream comes from :attr:`mail`."""

    def __init__(self, *items: str, awaited: bool = False, **options: Any) -> None:
        self.log: list[str] = []
        self.mail = Mail(*items, log=self.log)
        self.closed: list[StreamSummary] = []
        handler: Any = self._awaited if awaited else lambda connection: self.mail
        self.app = EventSourceApp(
            handler, on_close=self._on_close, **{"farewell_retry": (7, 7), **options}
        )

    async def _awaited(self, connection: Connection) -> Mail:
        await checkpoint()
        return self.mail

    def _on_close(self, summary: StreamSummary) -> None:
        self.log.append("reported")
        self.closed.append(summary)

    @property
    def reason(self) -> CloseReason:
        return only(self.closed).reason


either = pytest.mark.parametrize("awaited", [False, True], ids=["plain", "awaited"])


@either
async def test_what_is_ready_goes_with_the_head_and_the_rest_joined_as_it_comes(
    awaited: bool,
) -> None:
    posted = Posted("a", "b", awaited=awaited, retry=5)
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        assert served.peer.bodies == [b"retry: 5\n\ndata: a\n\ndata: b\n\n"]
        posted.mail.put("c")
        posted.mail.put("d", "e")
        assert len(served.peer.bodies) == 1  # never inside of the publisher's call
        await settle()
        assert served.peer.bodies[1:] == [b"data: c\n\ndata: d\n\ndata: e\n\n"]
        posted.mail.put("f")
        await settle()
        assert served.peer.bodies[2:] == [b"data: f\n\n"]
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.CLIENT_GONE
    assert posted.closed[0][1:3] == (6, len(served.peer.body))


async def test_stream_of_a_ready_content_may_be_a_stream_s_only_content() -> None:
    mail = Mail("a")
    async with nothing_left(), serving(EventStream(mail)) as served:
        await settle()
        mail.end()
        await served.returned()
    assert served.peer.bodies == [b"data: a\n\n"]
    assert mail.closed == 1


@ON_ASYNCIO
async def test_each_stream_has_one_task() -> None:
    apps = [Posted("a") for _ in range(20)]
    async with nothing_left(), AsyncExitStack() as stack:
        before = len(asyncio.all_tasks())
        for posted in apps:
            await stack.enter_async_context(serving(posted.app))
        await settle()
        assert len(asyncio.all_tasks()) == before + 20 + 1  # the ticker's
        for posted in apps:
            posted.mail.put("b")
        await settle()
        assert len(asyncio.all_tasks()) == before + 20 + 1


async def test_every_event_is_sent_in_the_context_of_the_request() -> None:
    request: ContextVar[str] = ContextVar("request", default="another")
    seen: list[str] = []
    posted = Posted("a")

    async def note(number: int) -> None:
        seen.append(request.get())

    async def app(*arguments: Any) -> None:
        request.set("mine")
        await posted.app(*arguments)

    async with serving(app, Peer(on_send=note)):
        await settle()
        posted.mail.put("b")
        await settle()
    assert seen == ["mine", "mine", "mine"]


@pytest.mark.usefixtures("no_polling")
@either
async def test_head_waits_for_the_first_event_for_the_start_timeout(awaited: bool) -> None:
    with VirtualClock() as clock:
        posted = Posted(awaited=awaited, start_timeout=2, ping=10)
        async with serving(posted.app) as served:
            await clock.advance(1.9)
            assert not served.peer.started
            await clock.advance(0.2)
            assert served.peer.bodies == [HEAD_BODY]
            posted.mail.put("a")
            await settle()
            await clock.advance(9.9)
            assert served.peer.bodies == [HEAD_BODY, b"data: a\n\n"]
            await clock.advance(0.2)
            assert served.peer.bodies[2:] == [PING]


async def test_first_event_that_comes_later_brings_the_head() -> None:
    posted = Posted(start_timeout=60)
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        assert not served.peer.messages
        posted.mail.put("a")
        await settle()
        assert served.peer.bodies == [b"data: a\n\n"]


@either
@pytest.mark.parametrize("items", [(), ("a",)])
@pytest.mark.parametrize("late", [False, True])
async def test_content_ends(late: bool, items: tuple[str], awaited: bool) -> None:
    posted = Posted(*items, awaited=awaited, start_timeout=60)

    async def note(number: int) -> None:
        posted.log.append("sent")

    if not late:
        posted.mail.end()
    async with nothing_left(), serving(posted.app, Peer(on_send=note)) as served:
        if late:
            await settle()
            posted.mail.end()
        await served.returned()
    assert served.peer.body == b"".join(b"data: %s\n\n" % item.encode() for item in items)
    assert served.peer.ended
    assert posted.log[-3:] == ["closed", "sent", "reported"] or not items
    assert posted.reason is CloseReason.COMPLETED
    assert posted.mail.closed == 1


@either
@pytest.mark.parametrize("late", [False, True])
async def test_content_fails_before_its_first_event(late: bool, awaited: bool) -> None:
    posted = Posted(awaited=awaited, start_timeout=60)
    if not late:
        posted.mail.end(Oops())
    async with nothing_left(), serving(posted.app) as served:
        if late:
            await settle()
            posted.mail.end(Oops())
        with pytest.raises(Oops):
            await served.returned()
    assert not served.peer.messages  # so that the server can say 500
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.ERROR


@pytest.mark.parametrize("late", [False, True])
async def test_content_refuses_before_its_first_event(late: bool) -> None:
    posted = Posted(start_timeout=60)
    if not late:
        posted.mail.end(Refusal(403, "no"))
    async with nothing_left(), serving(posted.app) as served:
        if late:
            await settle()
            posted.mail.end(Refusal(403, "no"))
        await served.returned()
    assert (served.peer.status, served.peer.body) == (403, b"no")
    assert posted.reason is CloseReason.REFUSED


@either
async def test_content_fails_after_its_first_event(awaited: bool) -> None:
    posted = Posted("a", awaited=awaited, on_error=lambda error: "failed")
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        posted.mail.end(Oops())
        await served.returned()
    assert served.peer.bodies == [b"data: a\n\n", b"data: failed\n\n"]
    assert served.peer.ended
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.ERROR


@either
@pytest.mark.parametrize("items", [(), ("a",)])
async def test_server_stops(items: tuple[str], awaited: bool) -> None:
    posted = Posted(*items, awaited=awaited, start_timeout=60)
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        posted.app.drain()
        await served.returned()
    assert served.peer.bodies[-1] == FAREWELL
    assert served.peer.ended
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.SERVER_STOPPING


async def test_server_that_stops_already_gets_the_farewell_alone() -> None:
    posted = Posted("a")
    LoopState.current().shutdown.notice()
    try:
        peer = await serve(posted.app)
    finally:
        LoopState.current().shutdown.withdraw()
    assert peer.body.endswith(FAREWELL)
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.SERVER_STOPPING


async def test_content_of_a_handler_that_watches_the_shutdown_has_its_grace() -> None:
    posted = Posted("a")

    async def follow(connection: Connection) -> None:
        await connection.shutdown.wait()
        posted.mail.put("bye")
        posted.mail.end()

    async with nothing_left(), anyio.create_task_group() as tasks:

        def handler(connection: Connection) -> Mail:
            tasks.start_soon(follow, connection)
            return posted.mail

        app = EventSourceApp(handler, farewell_retry=(7, 7))
        async with serving(app) as served:
            await settle()
            app.drain()
            await served.returned()
        assert served.peer.body == b"data: a\n\ndata: bye\n\n" + FAREWELL


@pytest.mark.usefixtures("no_polling")
async def test_stream_ends_with_its_lifetime() -> None:
    with VirtualClock() as clock:
        posted = Posted("a", max_lifetime=10, ping=None)
        async with serving(posted.app) as served:
            await clock.advance(10)
            await served.returned()
    assert served.peer.bodies == [b"data: a\n\n", FAREWELL]
    assert posted.reason is CloseReason.LIFETIME


@pytest.mark.parametrize("items", [(), ("a",)])
async def test_server_cancels_the_request(items: tuple[str]) -> None:
    posted = Posted(*items, start_timeout=60)
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert served.task.cancelled
    assert served.peer.bodies[-1] == FAREWELL
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.SERVER_STOPPING


async def test_head_is_as_of_any_other_content() -> None:
    posted = Posted("a")
    peer = await serve(posted.app, method="HEAD")
    assert (peer.status, peer.body) == (200, b"")
    assert posted.mail.takes == 0


# -- a client that does not read -------------------------------------------------------------------


def leave(posted: Posted, served: Served) -> None:
    served.peer.leave()


def drain(posted: Posted, served: Served) -> None:
    posted.app.drain()


def cancel(posted: Posted, served: Served) -> None:
    served.task.cancel()


async def test_slow_client_holds_up_nobody() -> None:
    apps = [Posted("a") for _ in range(30)]
    peers = [Stuck(3) if number % 3 == 0 else Peer() for number in range(30)]
    async with nothing_left(), AsyncExitStack() as stack:
        for posted, peer in zip(apps, peers, strict=True):
            await stack.enter_async_context(serving(posted.app, peer))
        await settle()
        for item in "bcd":
            for posted in apps:
                posted.mail.put(item)
            await settle()
        for peer in peers:
            if not isinstance(peer, Stuck):
                assert peer.bodies[1:] == [b"data: b\n\n", b"data: c\n\n", b"data: d\n\n"]
            else:
                assert len(peer.bodies) == 1
                peer.let_go.set()
        await settle()
        for peer in peers[::3]:
            assert peer.bodies[1:] == [b"data: b\n\n", b"data: c\n\ndata: d\n\n"]


@pytest.mark.usefixtures("no_polling")
@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_send_blocks_for_longer_than_it_may(number: int) -> None:
    with VirtualClock() as clock:
        posted, other = Posted("a", ping=None), Posted("a", ping=None)
        peer = Stuck(number)
        async with serving(other.app), serving(posted.app, peer) as served:
            await settle()
            for mail in (posted.mail, other.mail):
                mail.put("b")
            await settle()
            posted.mail.put("c")
            await settle()
            assert peer.sends == number
            await clock.advance(29.9)
            assert not served.task.done
            await clock.advance(0.2)
            await served.returned()
            assert peer.sends == number
            assert posted.log == ["closed", "reported"]
            assert posted.reason is CloseReason.SLOW_CLIENT
            assert not other.closed


@pytest.mark.parametrize("act", [leave, drain, cancel])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("for_good", [False, True])
async def test_stream_ends_while_its_send_blocks(
    number: int, act: Callable[[Posted, Served], None], for_good: bool, monkeypatch: Any
) -> None:
    for module in ("deadlines", "session"):
        monkeypatch.setattr(f"sse_asgi.asgi.session.{module}.FAREWELL_TIMEOUT", 0.05)
    posted = Posted("a", start_timeout=0.05)

    async def hang(call: int) -> None:
        if call == number or (for_good and call > number):
            await anyio.sleep_forever()

    peer = Peer(on_send=hang)
    async with nothing_left(), serving(posted.app, peer) as served:
        await settle()
        posted.mail.put("b")
        await settle()
        posted.mail.put("c")
        await settle()
        assert peer.sends == number
        act(posted, served)
        await served.returned()
    assert posted.log == ["closed", "reported"]
    expected = CloseReason.CLIENT_GONE if act is leave else CloseReason.SERVER_STOPPING
    assert posted.reason is expected
    assert posted.closed[0].bytes == len(peer.body)
    assert served.task.cancelled is (act is cancel)
    if act is not leave and number > 1 and not for_good:
        assert peer.ended
        assert peer.bodies[-1] == FAREWELL


async def test_stream_ends_although_its_send_heeds_no_cancellation(monkeypatch: Any) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.delivery.LEAVE_TIMEOUT", 0.02)
    monkeypatch.setattr("sse_asgi.asgi.session.session.FAREWELL_TIMEOUT", 0.02)
    posted = Posted("a")
    let_go = anyio.Event()

    async def hang(call: int) -> None:
        if call == 3:
            with anyio.CancelScope(shield=True):
                await let_go.wait()

    async with nothing_left(), serving(posted.app, Peer(on_send=hang)) as served:
        await settle()
        posted.mail.put("b")
        await settle()
        served.peer.leave()
        await served.returned()
        let_go.set()
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.CLIENT_GONE


async def test_nothing_is_taken_after_the_end_although_its_delivery_is_due() -> None:
    posted = Posted("a")
    async with nothing_left(), serving(posted.app) as served:
        await settle()
        served.peer.leave()
        posted.mail.put("b")
        await served.returned()
        await settle()
    assert posted.log == ["closed", "reported"]


async def test_content_is_not_watched_after_its_end_although_a_send_returns_late(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.delivery.LEAVE_TIMEOUT", 0.02)
    posted = Posted("a")
    let_go, fail = anyio.Event(), anyio.Event()

    async def hang(call: int) -> None:
        if call == 3:
            with anyio.CancelScope(shield=True):
                await let_go.wait()

    async def receive(call: int) -> None:
        await fail.wait()
        raise RuntimeError("x")

    peer = Peer(on_send=hang, on_receive=receive)
    async with nothing_left(), serving(posted.app, peer) as served:
        await settle()
        posted.mail.put("b")
        await settle()
        fail.set()
        await until(lambda: posted.mail.closed)
        let_go.set()
        with pytest.raises(RuntimeError):
            await served.returned()
        await settle()
    assert posted.log == ["closed", "reported"]
    assert peer.ended


@pytest.mark.usefixtures("no_polling")
async def test_delivery_waits_for_a_keep_alive_and_holds_up_nobody() -> None:
    with VirtualClock() as clock:
        posted, other = Posted("a", ping=10), Posted("a", ping=None)
        peer = Stuck(3)
        async with serving(other.app) as fast, serving(posted.app, peer):
            await clock.advance(10)
            assert peer.sends == 3  # the keep-alive
            for mail in (posted.mail, other.mail):
                mail.put("b")
            await settle()
            assert peer.bodies == [b"data: a\n\n"]
            assert fast.peer.bodies[1:] == [b"data: b\n\n"]
            peer.let_go.set()
            await settle()
            assert peer.bodies[1:] == [PING, b"data: b\n\n"]


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("x"), RuntimeError("x")], ids=type)
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["ends", "fails", "is stopped"])
async def test_send_raises(kind: str, number: int, for_good: bool, error: Exception) -> None:
    posted = Posted("a", on_error=lambda error: "failed")

    async def fail(call: int) -> None:
        if call == number or (for_good and call > number):
            raise error

    peer = Peer(on_send=fail)
    raised: BaseException | None = None
    async with nothing_left(), serving(posted.app, peer) as served:
        await settle()
        posted.mail.put("b")
        await settle()
        if kind == "is stopped":
            posted.app.drain()
        else:
            posted.mail.end(Oops() if kind == "fails" else None)
        try:
            await served.returned()
        except Exception as exc:
            raised = exc
    assert posted.log == ["closed", "reported"]
    assert posted.closed[0].bytes == len(peer.body)
    own = {
        "ends": CloseReason.COMPLETED,
        "fails": CloseReason.ERROR,
        "is stopped": CloseReason.SERVER_STOPPING,
    }[kind]
    if number > 3:
        assert posted.reason is own
        assert raised is None  # on_error takes the content's own
    elif isinstance(error, OSError):
        assert posted.reason is CloseReason.CLIENT_GONE
        assert peer.sends == number
        assert raised is None
    else:
        assert posted.reason is CloseReason.ERROR
        assert raised is (error if number == 1 else None)  # on_error takes it from then on
        assert peer.ended is (number > 1 and not for_good)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(OSError("x"), CloseReason.CLIENT_GONE), (RuntimeError("x"), CloseReason.ERROR)],
)
async def test_receive_raises(fault: Exception, reason: CloseReason, number: int) -> None:
    posted = Posted("a")

    async def receive(call: int) -> Any:
        if call >= number:
            raise fault
        return {"type": "http.request", "body": b"", "more_body": False}

    async with nothing_left(), serving(posted.app, Peer(on_receive=receive)) as served:
        with suppress(RuntimeError):
            await served.returned()
    assert posted.log == ["closed", "reported"]
    assert posted.reason is reason
    assert served.peer.ended is (reason is CloseReason.ERROR)


@ON_ASYNCIO
async def test_send_that_raises_a_cancellation_of_nobody_s_ends_the_stream_only() -> None:
    posted, other = Posted("a"), Posted("a")

    async def fail(call: int) -> None:
        if call == 3:
            raise asyncio.CancelledError

    async with nothing_left(), serving(other.app) as healthy:
        async with serving(posted.app, Peer(on_send=fail)) as served:
            await settle()
            posted.mail.put("b")
            other.mail.put("b")
            await served.returned()
        assert healthy.peer.bodies[1:] == [b"data: b\n\n"]
    assert posted.log == ["closed", "reported"]
    assert served.peer.ended


async def test_rounds_of_streams_leave_no_growth() -> None:
    async with nothing_left():
        for _ in range(50):
            posted = Posted("a")
            async with serving(posted.app) as served:
                await until(lambda: served.peer.bodies)
                posted.mail.put("b")
                await until(lambda: len(served.peer.bodies) == 2)
            assert posted.log == ["closed", "reported"]


async def test_event_loop_that_ends_with_open_streams_ends_them() -> None:
    posted = Posted("a")
    peer = Stuck(3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(posted.app, http_scope(), peer.receive, peer.send)
        await settle()
        posted.mail.put("b")
        await settle()
        tasks.cancel_scope.cancel()
    assert posted.log == ["closed", "reported"]
    assert posted.reason is CloseReason.SERVER_STOPPING
