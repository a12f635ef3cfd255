"""Content that fails: a real error response before its first event, a clean end after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, Refusal, StreamSummary
from sse_asgi.testing import VirtualClock, connect
from tests.harness import HEAD_BODY, Peer, nothing_left, only, serve, serving


class Oops(Exception):
    """What the content of these tests raises."""


def failing(error: BaseException, *items: str) -> Callable[[], AsyncIterator[str]]:
    async def content() -> AsyncIterator[str]:
        for item in items:
            yield item
        raise error

    return content


def messages(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.anyio
async def test_error_before_the_first_event_is_raised_with_nothing_sent(caplog: Any) -> None:
    closed: list[StreamSummary] = []
    peer, error = Peer(), Oops()
    async with nothing_left():
        with pytest.raises(Oops) as raised:
            await serve(EventStream(failing(error), on_close=closed.append), peer)
    assert raised.value is error
    assert not peer.messages
    assert only(closed).reason is CloseReason.ERROR
    assert only(closed).error is error
    assert not caplog.records  # the server logs what reaches it


@pytest.mark.anyio
async def test_error_of_the_handler_itself_is_raised_with_nothing_sent() -> None:
    def handler(connection: Connection) -> list[str]:
        if connection.path:
            raise Oops
        return []

    async def coroutine(connection: Connection) -> list[str]:
        return handler(connection)

    for function in (handler, coroutine):
        peer = Peer()
        with pytest.raises(Oops):
            await serve(EventSourceApp(function), peer)
        assert not peer.messages


@pytest.mark.anyio
async def test_error_after_the_first_event_is_raised_when_the_body_has_ended(caplog: Any) -> None:
    closed: list[StreamSummary] = []
    peer, error = Peer(), Oops("broken")
    with pytest.raises(Oops) as raised:
        await serve(EventStream(failing(error, "a"), on_close=closed.append), peer, path="/feed")
    assert raised.value is error
    assert peer.bodies == [b"data: a\n\n"]
    assert peer.ended
    assert only(closed).reason is CloseReason.ERROR
    assert only(closed).error is error
    assert not messages(caplog)  # the server, or the framework, logs what the app raises


def on_error(error: Exception) -> Any:
    return {"event": "problem", "data": repr(error)}


async def on_error_after_a_wait(error: Exception) -> Any:
    await anyio.sleep(0.001)
    return on_error(error)


@pytest.mark.anyio
@pytest.mark.parametrize("function", [on_error, on_error_after_a_wait])
async def test_on_error_may_send_a_last_event(function: Any) -> None:
    closed: list[StreamSummary] = []
    error = Oops("x")
    stream = EventStream(failing(error, "a"), on_error=function, on_close=closed.append)
    peer = await serve(stream)
    assert only(closed).error is error
    assert peer.bodies == [b"data: a\n\n", b"event: problem\ndata: Oops('x')\n\n"]
    assert peer.ended
    assert only(closed).bytes == len(peer.body)


@pytest.mark.anyio
async def test_on_error_may_send_nothing_and_is_not_asked_before_the_first_event() -> None:
    asked: list[Exception] = []
    error = Oops()
    peer = await serve(EventStream(failing(error, "a"), on_error=asked.append))
    assert asked == [error]
    assert peer.bodies == [b"data: a\n\n"]
    with pytest.raises(Oops):
        await serve(EventStream(failing(error), on_error=asked.append))
    assert asked == [error]


@pytest.mark.anyio
async def test_error_that_on_error_takes_is_logged_once_and_not_raised(caplog: Any) -> None:
    error = Oops("x")
    await serve(EventStream(failing(error, "a"), on_error=on_error), path="/feed")
    (record,) = caplog.records
    assert record.getMessage() == "GET /feed: the content failed after its first event"
    assert record.exc_info[1] is error


def failing_on_error(error: Exception) -> Any:
    raise LookupError("on_error, too")


async def failing_on_error_after_a_wait(error: Exception) -> Any:
    await anyio.lowlevel.checkpoint()
    raise LookupError("on_error, too")


def on_error_without_an_item(error: Exception) -> Any:
    return object()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "function", [failing_on_error, failing_on_error_after_a_wait, on_error_without_an_item]
)
async def test_on_error_that_fails_is_logged_and_the_content_s_error_raised(
    function: Any, caplog: Any
) -> None:
    peer = Peer()
    with pytest.raises(Oops):
        await serve(EventStream(failing(Oops(), "a"), on_error=function), peer)
    assert peer.bodies == [b"data: a\n\n"]
    assert peer.ended
    assert messages(caplog) == ["GET /: on_error failed"]


@pytest.mark.anyio
async def test_on_error_that_hangs_is_asked_once_and_ends_with_the_client(caplog: Any) -> None:
    asked: list[Exception] = []
    hangs = anyio.Event()
    peer = Peer()

    async def hang(error: Exception) -> Any:
        asked.append(error)
        hangs.set()
        await anyio.sleep_forever()

    with pytest.raises(Oops):
        async with serving(EventStream(failing(Oops(), "a"), on_error=hang), peer) as served:
            await hangs.wait()
            peer.leave()
            await served.returned()
    assert len(asked) == 1
    assert not caplog.records


@pytest.mark.anyio
async def test_on_error_that_hangs_does_not_keep_the_body_open_when_the_server_stops() -> None:
    asked: list[Exception] = []
    hangs = anyio.Event()

    async def hang(error: Exception) -> Any:
        asked.append(error)
        hangs.set()
        await anyio.sleep_forever()

    app = EventSourceApp(lambda connection: failing(Oops(), "a")(), on_error=hang)
    with pytest.raises(Oops):
        async with serving(app) as served:
            await hangs.wait()
            app.drain()
            await served.returned()
    assert len(asked) == 1
    assert served.peer.ended


@pytest.mark.anyio
@pytest.mark.parametrize("status", [204, 403, 503])
async def test_refusal_before_the_first_event_gives_its_status(status: int, caplog: Any) -> None:
    closed: list[StreamSummary] = []
    refusal = Refusal(status, headers={"Retry-After": "5"})
    peer = await serve(EventStream(failing(refusal), on_close=closed.append, on_error=on_error))
    assert peer.status == status
    assert peer.messages[0]["headers"] == [(b"retry-after", b"5")]
    assert peer.body == b""
    assert peer.ended
    assert only(closed)[:4] == (CloseReason.REFUSED, 0, 0, only(closed).seconds)
    assert (only(closed).error, only(closed).first_event) == (None, None)
    assert not caplog.records


@pytest.mark.anyio
async def test_refusal_has_a_text_or_any_other_body() -> None:
    peer = await serve(EventStream(failing(Refusal(403, "nö"))))
    assert peer.headers == {b"content-type": b"text/plain; charset=utf-8"}
    assert peer.body == "nö".encode()
    headers = {"Content-Type": "application/json"}
    peer = await serve(EventStream(failing(Refusal(422, b"{}", headers))))
    assert peer.headers == {b"content-type": b"application/json"}
    assert peer.body == b"{}"


@pytest.mark.anyio
async def test_refusal_after_the_first_event_is_an_error_like_others() -> None:
    closed: list[StreamSummary] = []
    peer, refusal = Peer(), Refusal(403, "no")
    with pytest.raises(Refusal):
        await serve(EventStream(failing(refusal, "a"), on_close=closed.append), peer)
    assert (peer.status, peer.bodies, peer.ended) == (200, [b"data: a\n\n"], True)
    assert only(closed).reason is CloseReason.ERROR
    assert only(closed).error is refusal


class RefusedSlowly:
    """Refuses at once, and takes its time to close."""

    def __aiter__(self) -> RefusedSlowly:
        return self

    async def __anext__(self) -> str:
        raise Refusal(403, "no")

    async def aclose(self) -> None:
        await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_refusal_stays_one_when_the_content_takes_longer_than_the_start_may() -> None:
    with VirtualClock() as clock:
        async with serving(EventStream(RefusedSlowly(), start_timeout=0.1)) as served:
            await clock.advance(1)
            await served.returned()
    assert served.peer.status == 403
    assert served.peer.bodies == [b"no"]


@pytest.mark.anyio
async def test_error_that_comes_after_a_late_head_ends_the_body() -> None:
    async def content() -> AsyncIterator[str]:
        await anyio.sleep(0.02)
        raise Oops
        yield ""

    peer = await serve(EventStream(content, start_timeout=0, on_error=lambda error: "bye"))
    assert peer.bodies == [HEAD_BODY, b"data: bye\n\n"]
    assert peer.ended


@pytest.mark.anyio
async def test_base_exception_of_the_content_is_raised_after_the_final_body() -> None:
    closed: list[StreamSummary] = []
    peer = Peer()
    with pytest.raises(BaseException) as raised:
        await serve(EventStream(failing(SystemExit(3), "a"), on_close=closed.append), peer)
    error: BaseException = raised.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, SystemExit)
    assert peer.ended
    only(closed)


@pytest.mark.anyio
async def test_client_sees_a_500_for_content_that_fails_at_once() -> None:
    async with connect(EventStream(failing(Oops())), raise_app_exceptions=False) as events:
        assert events.status == 500
