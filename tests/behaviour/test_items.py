"""Every kind of item, what becomes of it on the wire, and what a bad one does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, EventStream, JSONServerSentEvent, ServerSentEvent, StreamSummary
from sse_asgi.wire import EncodedBatch
from tests.harness import Peer, only, serve

ITEMS: list[tuple[object, bytes]] = [
    ("text", b"data: text\n\n"),
    ("", b"data: \n\n"),
    ("two\nlines", b"data: two\ndata: lines\n\n"),
    ("carriage\rreturn\r\n", b"data: carriage\ndata: return\ndata: \n\n"),
    ("\u2028 is no line end: ž\x85", "data: \u2028 is no line end: ž\x85\n\n".encode()),
    (ServerSentEvent("x", event="tick", id="7"), b"id: 7\nevent: tick\ndata: x\n\n"),
    (ServerSentEvent(retry=10), b"retry: 10\n\n"),
    (ServerSentEvent(comment="hi"), b": hi\n\n"),
    (JSONServerSentEvent("x"), b'data: "x"\n\n'),
    ({"data": {"n": 1}, "event": "tick"}, b'event: tick\ndata: {"n":1}\n\n'),
    (b"data: raw\n\n", b"data: raw\n\n"),
    (b": comment\r\n\r\n", b": comment\r\n\r\n"),
    (7, b"data: 7\n\n"),
    (1.5, b"data: 1.5\n\n"),
    (True, b"data: true\n\n"),
    ([1, None], b"data: [1,null]\n\n"),
    (("a", "ž"), 'data: ["a","ž"]\n\n'.encode()),
]

BAD_ITEMS: list[tuple[object, type[Exception], str]] = [
    (None, TypeError, "None"),
    (bytearray(b"data: x\n\n"), TypeError, "bytearray"),
    (memoryview(b"data: x\n\n"), TypeError, "memory"),
    (b"data: x\n", ValueError, "blank line.*data: x"),
    (b"", ValueError, "blank line"),
    ({"dat": "x"}, TypeError, "unknown field 'dat'"),
    ({"data": "x", "id": "a\nb"}, ValueError, "id .*a.nb"),
    ({"data": "x", "event": "error"}, ValueError, "event .*error"),
    ({"data": "x", "retry": True}, TypeError, "retry .*True"),
    ({}, ValueError, "{}"),
    ({1: "x"}, TypeError, "1"),
    (object(), TypeError, "object object"),
    ({1, 2}, TypeError, "{1, 2}"),
    (float("nan"), ValueError, "nan"),
    ("\ud800", ValueError, "surrogate"),
]


def sync_generator(*items: object) -> Iterator[object]:
    yield from items


async def async_generator(*items: object) -> AsyncIterator[object]:
    for item in items:
        yield item


def received(*items: object) -> Any:
    send, receive = anyio.create_memory_object_stream[object](len(items))
    with send:
        for item in items:
            send.send_nowait(item)
    return receive


MAKERS: list[Callable[..., Any]] = [
    sync_generator,
    async_generator,
    received,
    lambda *items: list(items),
]


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKERS, ids=["sync", "async", "received", "list"])
async def test_every_kind_of_item_is_sent_as_its_block(make: Callable[..., Any]) -> None:
    closed: list[StreamSummary] = []
    stream = EventStream(make(*(item for item, _ in ITEMS)), on_close=closed.append)
    peer = await serve(stream)
    assert peer.body == b"".join(block for _, block in ITEMS)
    assert only(closed).events == len(ITEMS)
    assert only(closed).bytes == len(peer.body)


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKERS, ids=["sync", "async", "received", "list"])
@pytest.mark.parametrize(("item", "kind", "text"), BAD_ITEMS)
async def test_bad_item_ends_the_stream_with_an_error_that_names_it(
    make: Callable[..., Any], item: object, kind: type[Exception], text: str
) -> None:
    peer = Peer()
    with pytest.raises(kind, match=f"(?s){text}"):
        await serve(EventStream(make("a", "b", item, "c")), peer)
    assert peer.body == b"data: a\n\ndata: b\n\n"
    assert peer.ended


@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKERS, ids=["sync", "async", "received", "list"])
async def test_bad_item_before_any_other_is_a_real_error_response(make: Callable[..., Any]) -> None:
    closed: list[StreamSummary] = []
    peer = Peer()
    with pytest.raises(TypeError, match="not None") as raised:
        await serve(EventStream(make(None), on_close=closed.append), peer)
    assert not peer.messages
    assert only(closed).reason is CloseReason.ERROR
    assert only(closed).error is raised.value


@pytest.mark.anyio
async def test_content_is_closed_when_its_item_is_bad() -> None:
    log: list[str] = []

    async def content() -> AsyncIterator[object]:
        try:
            yield "a"
            yield None
        finally:
            await anyio.sleep(0.001)
            log.append("closed")

    with pytest.raises(TypeError):
        await serve(EventStream(content))
    assert log == ["closed"]


@pytest.mark.anyio
async def test_encoded_batch_is_sent_in_one_message_and_counts_its_events() -> None:
    closed: list[StreamSummary] = []
    body = b"data: a\n\ndata: b\n\n"

    async def content() -> AsyncIterator[object]:
        yield "first"
        yield EncodedBatch(body, 2)
        yield EncodedBatch(body, 2)

    peer = await serve(EventStream(content, on_close=closed.append))
    assert peer.bodies == [b"data: first\n\n", body, body]
    assert only(closed).events == 5


@pytest.mark.anyio
async def test_separator_and_serializer_of_the_stream_are_used() -> None:
    stream = EventStream(
        ["a\nb", {"data": [1]}],
        separator="\r\n",
        serializer=lambda value: f"<{value}>",
        retry=5,
    )
    expected = b"retry: 5\r\n\r\ndata: a\r\ndata: b\r\n\r\ndata: <[1]>\r\n\r\n"
    assert (await serve(stream)).body == expected
