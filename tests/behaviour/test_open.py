"""``on_open`` is called once before the content, ``on_close`` follows, and neither decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, EventStream, Refusal, StreamSummary
from sse_asgi.broadcast import Hub
from sse_asgi.testing import VirtualClock, connect
from tests.harness import Peer, only, serve, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_polling")]


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def refusing(connection: Connection) -> AsyncIterator[str]:
    raise Refusal(403, "no")
    yield ""


def raises(connection: Connection) -> None:
    raise Refusal(403, "on_open")


async def raises_after_a_wait(connection: Connection) -> None:
    await anyio.lowlevel.checkpoint()
    raise LookupError("on_open")


async def waits(connection: Connection) -> None:
    await anyio.sleep(0.001)


def returns(connection: Connection) -> Any:
    return "something"


@pytest.mark.parametrize("then", [returns, waits, raises, raises_after_a_wait])
async def test_on_open_comes_before_the_content_and_does_not_decide(then: Any, caplog: Any) -> None:
    log: list[object] = []

    def on_open(connection: Connection) -> Any:
        log.append(connection)
        return then(connection)

    async def content(connection: Connection) -> AsyncIterator[str]:
        log.append("content")
        yield "a"

    app = EventSourceApp(content, on_open=on_open, on_close=lambda summary: log.append(summary))
    peer = await serve(app, path="/prices")
    assert peer.bodies == [b"data: a\n\n"]
    connection, middle, summary = log
    assert middle == "content"
    assert isinstance(connection, Connection) and connection.path == "/prices"
    assert isinstance(summary, StreamSummary) and summary.connection is connection
    failures = [record.getMessage() for record in caplog.records]
    assert failures == (["GET /prices: on_open failed"] if "raises" in then.__name__ else [])


async def test_refused_stream_was_opened_and_is_closed() -> None:
    opened: list[Connection] = []
    closed: list[StreamSummary] = []
    app = EventSourceApp(refusing, on_open=opened.append, on_close=closed.append)
    await serve(app)
    assert only(closed).reason is CloseReason.REFUSED
    assert [summary.connection for summary in closed] == opened


async def test_neither_is_called_for_what_is_no_stream() -> None:
    calls: list[object] = []
    app = EventSourceApp(waiting, on_open=calls.append, on_close=calls.append)
    await serve(app, method="HEAD")
    await serve(app, method="POST")
    assert not calls


async def test_on_open_that_hangs_is_bounded_by_the_time_for_cleaning_up() -> None:
    log: list[str] = []

    async def hang(connection: Connection) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            log.append("cancelled")

    peer = await serve(EventStream(["a"], on_open=hang, cleanup_timeout=0.01))
    assert log == ["cancelled"]
    assert peer.bodies == [b"data: a\n\n"]


async def test_server_that_cancels_during_on_open_has_the_stream_closed() -> None:
    closed: list[StreamSummary] = []
    begun: list[str] = []

    async def hang(connection: Connection) -> None:
        await anyio.sleep_forever()

    async def content(connection: Connection) -> AsyncIterator[str]:
        begun.append("content")
        yield "a"

    app = EventSourceApp(content, on_open=hang, on_close=closed.append, cleanup_timeout=60)
    with VirtualClock() as clock:
        async with serving(app) as served:
            await clock.advance(1)
            assert app.open == 1
            served.task.cancel()
            await served.returned()
    assert only(closed).reason is CloseReason.SERVER_STOPPING
    assert not begun
    assert app.open == 0


async def test_server_that_stops_during_on_open_ends_the_stream_after_it() -> None:
    closed: list[StreamSummary] = []
    gate = anyio.Event()

    async def wait(connection: Connection) -> None:
        await gate.wait()

    app = EventSourceApp(
        waiting, on_open=wait, on_close=closed.append, cleanup_timeout=60, farewell_retry=(7, 7)
    )
    with VirtualClock() as clock:
        async with serving(app) as served:
            await clock.advance(1)
            app.drain()
            await clock.advance(1)
            assert not served.task.done
            gate.set()
            await clock.advance(1)
            await served.returned()
            assert b"retry: 7\n\n" in served.peer.body
    assert only(closed).reason is CloseReason.SERVER_STOPPING


async def test_open_counts_the_open_streams() -> None:
    app = EventSourceApp(waiting, max_connections=2)
    assert app.open == 0
    async with connect(app) as first:
        await first.receive()
        async with connect(app) as second:
            await second.receive()
            assert app.open == 2
            await serve(app)  # refused
            assert app.open == 2
    assert app.open == 0


# -- the time of the first event -------------------------------------------------------------------


async def first_event_after(seconds: float, **options: Any) -> StreamSummary:
    """Return the account of a stream that has an event after so long, and another one later."""
    closed: list[StreamSummary] = []
    send, receive = anyio.create_memory_object_stream[str](2)
    with VirtualClock() as clock, send:
        app = EventSourceApp(lambda connection: receive, on_close=closed.append, **options)
        async with serving(app) as served:
            await clock.advance(seconds)
            await send.send("a")
            await clock.advance(4)
            await send.send("b")
            send.close()
            await served.returned()
    assert (only(closed).events, only(closed).seconds) == (2, seconds + 4)
    return only(closed)


async def test_first_event_is_timed_from_the_request() -> None:
    # Neither the head nor a comment is an event.
    assert (await first_event_after(3, ping=2)).first_event == 3
    assert (await first_event_after(3, compression="auto")).first_event == 3


async def test_first_event_within_the_start_timeout_is_timed_too() -> None:
    assert (await first_event_after(0.5)).first_event == 0.5


async def test_first_event_of_a_hub_is_timed() -> None:
    closed: list[StreamSummary] = []
    hub = Hub()
    app = EventSourceApp(lambda connection: hub.subscribe("t"), on_close=closed.append)
    with VirtualClock() as clock:
        async with serving(app) as served:
            await clock.advance(2)
            await hub.publish("t", "x")
            await clock.advance(1)
            served.peer.leave()
            await served.returned()
    assert only(closed).events == 2
    assert only(closed).first_event == 0  # the event named position


async def test_event_that_the_server_did_not_take_is_not_the_first() -> None:
    closed: list[StreamSummary] = []

    async def hang(number: int) -> None:
        await anyio.sleep_forever()

    with VirtualClock() as clock:
        app = EventSourceApp(waiting, on_close=closed.append, send_timeout=5)
        async with serving(app, Peer(on_send=hang)) as served:
            await clock.advance(5)
            await served.returned()
    assert (only(closed).events, only(closed).first_event) == (0, None)
