"""What an event stream sends, message for message, and to whom."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, EventSourceApp, EventStream, StreamSummary
from sse_asgi.testing import ASGI_2_4, DAPHNE, GRANIAN, HYPERCORN, UVICORN, ServerProfile, connect
from tests.harness import Peer, http_scope, nothing_left, only, serve

HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
        (b"incremental", b"?1"),
    ],
}
END = {"type": "http.response.body", "body": b"", "more_body": False}
DENIAL: dict[str, Any] = {"websocket.http.response": {}}


def body(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def two_events() -> AsyncIterator[str]:
    yield "a"
    await anyio.lowlevel.checkpoint()
    yield "b"


@pytest.mark.anyio
@pytest.mark.parametrize("turns", [True, False], ids=["slow send", "fast send"])
async def test_head_each_event_and_the_final_body_are_sent(turns: bool) -> None:
    async with nothing_left():
        peer = await serve(EventStream(two_events), Peer(turns=turns))
    assert peer.messages == [HEAD, body(b"data: a\n\n"), body(b"data: b\n\n"), END]


@pytest.mark.anyio
async def test_empty_content_is_a_head_and_a_final_body() -> None:
    assert (await serve(EventStream([]))).messages == [HEAD, END]


@pytest.mark.anyio
async def test_reconnection_time_goes_before_the_first_event_in_the_same_message() -> None:
    peer = await serve(EventStream(two_events, retry=3000))
    assert peer.bodies == [b"retry: 3000\n\ndata: a\n\n", b"data: b\n\n"]


@pytest.mark.anyio
async def test_reconnection_time_is_sent_without_events_too() -> None:
    closed: list[StreamSummary] = []
    peer = await serve(EventStream([], retry=3000, on_close=closed.append))
    assert peer.bodies == [b"retry: 3000\n\n"]
    assert only(closed).events == 0
    assert only(closed).bytes == len(peer.body)


@pytest.mark.anyio
async def test_status_and_headers_are_sent_and_replace_those_that_are_sent_anyway() -> None:
    headers = {"Cache-Control": "no-cache", "X-Name": "\xe9"}
    peer = await serve(EventStream([], status=207, headers=headers))
    assert peer.status == 207
    assert peer.messages[0]["headers"] == [
        (b"content-type", b"text/event-stream"),
        (b"x-accel-buffering", b"no"),
        (b"incremental", b"?1"),
        (b"cache-control", b"no-cache"),
        (b"x-name", b"\xe9"),
    ]


@pytest.mark.anyio
async def test_header_for_incremental_delivery_can_be_left_out_or_replaced() -> None:
    peer = await serve(EventStream([], incremental=False))
    assert list(peer.headers) == [b"content-type", b"cache-control", b"x-accel-buffering"]
    peer = await serve(EventStream([], headers={"Incremental": "?1;by=app"}))
    assert peer.headers[b"incremental"] == b"?1;by=app"
    peer = await serve(EventStream([], headers={"Incremental": "?0"}, incremental=False))
    assert peer.headers[b"incremental"] == b"?0"


@pytest.mark.anyio
async def test_headers_of_one_response_are_not_those_of_the_next() -> None:
    stream = EventStream([], headers=[("a", "1"), ("a", "2")])
    peer = await serve(stream)
    assert peer.messages[0]["headers"][-2:] == [(b"a", b"1"), (b"a", b"2")]
    peer.messages[0]["headers"].clear()
    assert (await serve(stream)).messages[0]["headers"]


@pytest.mark.anyio
async def test_head_request_gets_the_head_and_its_content_is_not_made() -> None:
    async def content() -> AsyncIterator[str]:
        raise AssertionError("made for HEAD")
        yield ""

    peer = await serve(EventStream(content, status=201, retry=5), method="HEAD")
    assert peer.messages == [{**HEAD, "status": 201}, END]


@pytest.mark.anyio
async def test_head_request_of_a_client_that_has_left_is_no_error() -> None:
    async def fail(number: int) -> None:
        raise OSError("gone")

    assert not (await serve(EventStream([]), Peer(on_send=fail), method="HEAD")).messages


@pytest.mark.anyio
async def test_websocket_handshake_is_denied_and_told_how_to_open_the_stream() -> None:
    async with connect(EventStream(two_events), scope_type="websocket") as events:
        assert events.status == 400
        assert b"Open it with EventSource or fetch" in await events.body()


@pytest.mark.anyio
async def test_denial_response_is_one_whole_message_after_the_head() -> None:
    peer = await serve(EventStream(two_events), type="websocket", extensions=DENIAL)
    kinds = [message["type"] for message in peer.messages]
    assert kinds == ["websocket.http.response.start", "websocket.http.response.body"]
    assert peer.messages[-1]["more_body"] is False


@pytest.mark.anyio
@pytest.mark.parametrize("extensions", [None, {}, {"other": {}}])
async def test_websocket_handshake_is_closed_where_the_server_takes_no_response(
    extensions: Any,
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope(type="websocket", extensions=extensions)
    await EventStream(two_events)(scope, Peer().receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["lifespan", "webtransport"])
async def test_unknown_scope_is_refused_by_name(kind: str) -> None:
    peer = Peer()
    with pytest.raises(RuntimeError, match=f"cannot serve the ASGI scope '{kind}'"):
        await EventStream([])({"type": kind}, peer.receive, peer.send)
    assert not peer.messages


def test_call_that_is_not_asgi_3_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="receive"):
        EventStream([])(http_scope())  # type: ignore[call-arg, unused-coroutine]


@pytest.mark.anyio
async def test_content_that_never_waits_leaves_the_event_loop_its_turns() -> None:
    turns = 0
    seen: list[int] = []

    async def content() -> AsyncIterator[str]:
        for number in range(10_000):
            if not number % 1000:
                seen.append(turns)
            yield "x"

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await serve(EventStream(content), Peer(turns=False))
        tasks.cancel_scope.cancel()
    assert all(later > earlier for earlier, later in pairwise(seen))


@pytest.mark.anyio
@pytest.mark.parametrize("server", [UVICORN, GRANIAN, HYPERCORN, DAPHNE, ASGI_2_4])
async def test_stream_ends_cleanly_on_every_profile_of_server(server: ServerProfile) -> None:
    closed: list[StreamSummary] = []
    stream = EventStream(two_events, on_close=closed.append)
    async with nothing_left(), connect(stream, server=server) as events:
        assert [event.data async for event in events] == ["a", "b"]
        await events.returned()
    assert only(closed).reason is CloseReason.COMPLETED


@pytest.mark.anyio
@pytest.mark.parametrize("server", [UVICORN, GRANIAN, HYPERCORN, DAPHNE, ASGI_2_4])
async def test_client_that_leaves_ends_the_stream_on_every_profile_of_server(
    server: ServerProfile,
) -> None:
    closed: list[StreamSummary] = []

    async def content() -> AsyncIterator[str]:
        while True:
            yield "a"
            await anyio.sleep(0.001)

    stream = EventStream(content, on_close=closed.append)
    async with nothing_left(), connect(stream, server=server) as events:
        assert (await events.receive()).data == "a"
    assert only(closed).reason is CloseReason.CLIENT_GONE


@pytest.mark.parametrize("make", [EventStream, EventSourceApp])
def test_application_shows_no_attributes_to_frameworks_that_make_json_of_them(make: Any) -> None:
    app = make(lambda connection: ["a"])
    with pytest.raises(TypeError, match="__dict__"):
        vars(app)
    assert weakref.ref(app)() is app
