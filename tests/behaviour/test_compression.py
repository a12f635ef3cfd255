"""What a compressed stream says of itself and sends, to whom, and how it ends."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import Connection, EventSourceApp, EventStream, Refusal, StreamSummary, drain
from sse_asgi.testing import GRANIAN, VirtualClock, connect, settle
from sse_asgi.wire import ServerSentEvent
from tests.harness import PING, Peer, only, serve, serving
from tests.timed import Stuck, event, feed
from tests.wire.decoding import CODINGS, BodyDecoder, decoder_of

pytestmark = pytest.mark.anyio

BROWSER = [(b"accept-encoding", b"gzip, deflate, br, zstd")]
BOTH = pytest.mark.parametrize("mode", ["auto", "pages"])


async def three_events(connection: Connection) -> AsyncIterator[str]:
    for text in ("one", "two", "three"):
        yield text
        await checkpoint()


THREE = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n"]


def decoded(peer: Peer, coding: str) -> list[bytes]:
    """Return what each message of the body says, the last of which ends it."""
    decoder = decoder_of(coding)
    bodies = [decoder.feed(message["body"]) for message in peer.messages[1:]]
    assert decoder.is_complete
    assert bodies.pop() == b""
    return bodies


def accepting(coding: str) -> dict[str, Any]:
    return {"headers": [(b"accept-encoding", coding.encode())]}


async def test_nothing_is_compressed_unless_the_stream_says_so() -> None:
    peer = await serve(EventStream(three_events), headers=BROWSER)
    assert not {b"content-encoding", b"vary"}.intersection(peer.headers)
    assert peer.bodies == THREE


@BOTH
@pytest.mark.parametrize("coding", CODINGS)
async def test_every_event_is_coded_by_itself_and_the_body_ends(mode: Any, coding: str) -> None:
    peer = await serve(EventStream(three_events, compression=mode), **accepting(coding))
    assert peer.headers[b"content-encoding"] == coding.encode()
    assert peer.headers[b"vary"] == b"accept-encoding"
    assert peer.headers[b"content-type"] == b"text/event-stream"
    assert decoded(peer, coding) == THREE


@BOTH
@pytest.mark.parametrize(
    "accepted", [[], [b"identity"], [b""], [b"deflate"], [b"gzip;q=0", b"*;q=0"]]
)
async def test_client_that_asks_for_no_coding_gets_none(mode: Any, accepted: list[bytes]) -> None:
    headers = [(b"accept-encoding", value) for value in accepted]
    peer = await serve(EventStream(three_events, compression=mode), headers=headers)
    assert b"content-encoding" not in peer.headers
    assert peer.headers[b"vary"] == b"accept-encoding"
    assert peer.bodies == THREE


async def test_several_fields_are_one_list() -> None:
    headers = [(b"accept-encoding", b"deflate"), (b"accept-encoding", b"gzip")]
    peer = await serve(EventStream(three_events, compression="auto"), headers=headers)
    assert decoded(peer, "gzip") == THREE


@BOTH
async def test_head_request_is_told_the_coding_and_gets_no_body(mode: Any) -> None:
    app = EventSourceApp(three_events, compression=mode)
    head = await serve(app, method="HEAD", headers=BROWSER)
    answer = await serve(app, headers=BROWSER)
    assert head.messages[0] == answer.messages[0]
    assert head.messages[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([], [b"accept-encoding"]),
        ([("Vary", "Origin")], [b"Origin", b"accept-encoding"]),
        ([("Vary", "Origin, Accept-Encoding")], [b"Origin, Accept-Encoding"]),
        ([("Vary", "*")], [b"*"]),
        ([("Vary", "Origin"), ("Vary", "accept-encoding")], [b"Origin", b"accept-encoding"]),
    ],
)
async def test_vary_is_added_to_what_the_caller_says(
    given: list[tuple[str, str]], sent: list[bytes]
) -> None:
    app = EventStream(three_events, compression="auto", headers=given)
    peer = await serve(app, headers=BROWSER)
    assert [value for name, value in peer.messages[0]["headers"] if name == b"vary"] == sent


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_content_encoding_of_the_caller_wins(coding: str) -> None:
    app = EventStream(three_events, compression="auto", headers={"Content-Encoding": coding})
    peer = await serve(app, headers=BROWSER)
    assert peer.headers[b"content-encoding"] == coding.encode()
    assert peer.bodies == THREE


async def test_clients_are_compressed_each_by_itself() -> None:
    app = EventStream(three_events, compression="auto")
    for _ in range(2):
        assert decoded(await serve(app, headers=BROWSER), "gzip") == THREE
    assert (await serve(app)).bodies == THREE


@pytest.mark.parametrize("coding", CODINGS)
async def test_empty_content_is_a_complete_body(coding: str) -> None:
    peer = await serve(EventStream([], compression="auto"), **accepting(coding))
    decoder = decoder_of(coding)
    assert decoder.feed(peer.body) == b""
    assert decoder.is_complete


@pytest.mark.parametrize("status", [200, 403])
async def test_refusal_is_not_compressed(status: int) -> None:
    async def refuse(connection: Connection) -> AsyncIterator[str]:
        raise Refusal(status, "no")
        yield ""

    peer = await serve(EventStream(refuse, compression="auto"), headers=BROWSER)
    assert peer.status == status
    assert b"content-encoding" not in peer.headers
    assert peer.body == b"no"


async def test_client_too_many_is_told_so_uncompressed() -> None:
    async def wait(connection: Connection) -> AsyncIterator[str]:
        yield "hello"
        await anyio.sleep_forever()

    app = EventSourceApp(wait, compression="auto", max_connections=1)
    async with serving(app, headers=BROWSER):
        await settle()
        peer = await serve(app, headers=BROWSER)
    assert b"content-encoding" not in peer.headers
    assert peer.body.startswith(b"retry: ")


async def test_summary_counts_the_bytes_on_the_wire() -> None:
    closed: list[StreamSummary] = []
    app = EventStream(["x" * 1000] * 9, compression="auto", on_close=closed.append)
    peer = await serve(app, headers=BROWSER)
    assert only(closed).bytes == len(peer.body) < 300
    assert only(closed).events == 9


@pytest.mark.usefixtures("no_polling")
async def test_keep_alive_and_farewell_are_part_of_the_one_coded_body() -> None:
    with VirtualClock() as clock:
        app = EventStream(feed(0, 1), compression="auto", ping=15, farewell_retry=(7, 7))
        async with serving(app, headers=BROWSER) as served:
            await clock.advance(20)
            drain()
            await served.returned()
    expected = [event(0), event(1), PING, b"retry: 7\n\n"]
    assert decoded(served.peer, "gzip") == expected


async def test_late_head_comes_with_a_coded_body() -> None:
    with VirtualClock() as clock:
        app = EventStream(feed(5), compression="auto", start_timeout=1)
        async with serving(app, headers=BROWSER) as served:
            await clock.advance(2)
            assert decoder_of("gzip").feed(served.peer.body) == b":\n\n"


async def test_error_of_the_content_ends_the_coded_body() -> None:
    async def fail() -> AsyncIterator[str]:
        yield "one"
        raise LookupError("oh")

    app = EventStream(fail, compression="auto", on_error=lambda exc: {"data": "sorry"})
    peer = await serve(app, headers=BROWSER)
    assert decoded(peer, "gzip") == [b"data: one\n\n", b"data: sorry\n\n"]


async def test_testing_client_reads_every_coding() -> None:
    texts = ["one", "x" * 100_000, "two"]
    for coding in ("gzip", "br", "zstd"):
        app = EventStream(texts, compression="pages")
        async with connect(app, headers={"accept-encoding": coding}, server=GRANIAN) as client:
            assert client.headers["content-encoding"] == coding
            assert [event.data async for event in client] == texts


# -- events that are compressed by themselves ------------------------------------------------------

SECRET = ServerSentEvent("a-secret-of-some-length", isolate=True)
SAME = SECRET.data


def sync_generator() -> Iterator[object]:
    yield from (SAME, SAME, SECRET, SAME)


async def one_by_one() -> AsyncIterator[object]:
    for item in sync_generator():
        yield item
        await checkpoint()


def received() -> Any:
    send, receive = anyio.create_memory_object_stream[object](9)
    with send:
        for item in sync_generator():
            send.send_nowait(item)
    return receive


CONTENTS = [
    pytest.param(lambda: list(sync_generator()), id="list"),
    pytest.param(sync_generator, id="sync"),
    pytest.param(one_by_one, id="async"),
    pytest.param(received, id="receive stream"),
]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("coding", CODINGS)
async def test_isolated_event_is_a_message_of_its_own_that_nothing_else_refers_to(
    coding: str, content: Any
) -> None:
    options: Any = {"compression": "auto", "farewell_retry": None}
    peer = await serve(EventStream(content(), **options), **accepting(coding))
    bodies = decoded(peer, coding)
    block = b"data: a-secret-of-some-length\n\n"
    assert b"".join(bodies) == block * 4
    assert bodies[-2:] == [block, block]
    # Repetitions of what was before would take a few bytes.
    *_, isolated, after, _ = (len(message["body"]) for message in peer.messages[1:])
    assert isolated > len(block) * 0.8
    assert after > len(block) * 0.8


@pytest.mark.parametrize("coding", CODINGS)
async def test_isolated_first_event_stays_so_behind_the_reconnection_time(coding: str) -> None:
    stream = EventStream([SECRET, SAME], compression="auto", retry=5)
    peer = await serve(stream, **accepting(coding))
    block = b"data: a-secret-of-some-length\n\n"
    assert decoded(peer, coding) == [b"retry: 5\n\n" + block, block]
    assert len(peer.messages[2]["body"]) > len(block) * 0.8


async def test_isolated_event_is_sent_as_it_is_where_nothing_is_compressed() -> None:
    peer = await serve(EventStream([SAME, SECRET, SAME]))
    assert peer.body == b"data: a-secret-of-some-length\n\n" * 3


# -- a message that is cut short -------------------------------------------------------------------


def text_so_far(peer: Peer, decoder: BodyDecoder) -> bytes:
    return b"".join(decoder.feed(message["body"]) for message in peer.messages[1:-1])


@pytest.mark.usefixtures("no_polling")
@pytest.mark.parametrize("coding", CODINGS)
async def test_what_follows_a_message_that_was_lost_is_still_readable(coding: str) -> None:
    async def content() -> AsyncIterator[str]:
        for text in ("the first text", "the second", "lost, as retry: 7 is not", "not sent"):
            yield text

    app = EventStream(content, compression="auto", farewell_retry=(7, 7), send_timeout=None)
    with VirtualClock() as clock:
        peer = Stuck(4)  # the head and two events arrive
        async with serving(app, peer, **accepting(coding)) as served:
            await clock.advance(0)
            drain()
            await clock.advance(3)
            peer.let_go.set()
            await served.returned()
    assert peer.ended
    expected = b"data: the first text\n\ndata: the second\n\nretry: 7\n\n"
    assert text_so_far(peer, decoder_of(coding)) == expected


@pytest.mark.usefixtures("no_polling")
async def test_reader_is_told_of_the_loss_by_the_checksum() -> None:
    app = EventStream(three_events, compression="auto", farewell_retry=None, send_timeout=None)
    with VirtualClock() as clock:
        peer = Stuck(4)
        async with serving(app, peer, headers=BROWSER) as served:
            await clock.advance(0)
            drain()
            await clock.advance(3)
            await served.returned()
    assert peer.ended
    with pytest.raises(zlib.error, match="check"):
        decoder_of("gzip").feed(b"".join(message["body"] for message in peer.messages[1:]))


@pytest.mark.usefixtures("no_polling")
async def test_slow_client_is_ended_in_time() -> None:
    closed: list[StreamSummary] = []
    app = EventStream(feed(0, 1), compression="auto", send_timeout=10, on_close=closed.append)
    with VirtualClock() as clock:
        async with serving(app, Stuck(3), headers=BROWSER) as served:
            await clock.advance(20)
            await served.returned()
    assert only(closed).reason.name == "SLOW_CLIENT"
    assert only(closed).bytes == len(served.peer.body)
