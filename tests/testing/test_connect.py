"""What the client sees of a response, and what the app sees of the request."""

from __future__ import annotations

import gzip
import inspect
import zlib
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from sse_asgi.testing import (
    AppLeaked,
    BodyTruncated,
    ConnectOptions,
    NotAnEventStream,
    StreamEnded,
    StreamTimeout,
    connect,
    settle,
)
from sse_asgi.wire import MessageEvent

from .apps import (
    EVENT_STREAM,
    Receive,
    Scope,
    Send,
    Ticker,
    body,
    disconnected,
    endless,
    finite,
    start,
)

pytestmark = pytest.mark.anyio

TENANT: ContextVar[str] = ContextVar("tenant")


async def test_receive_returns_each_event_of_an_endless_stream() -> None:
    app = Ticker()
    async with connect(app, "/ticks") as events:
        assert events.status == 200
        assert await events.receive() == MessageEvent("tick 0", id="0")
        assert await events.receive() == MessageEvent("tick 1", id="1")
        assert not app.closed
    assert app.closed


async def test_leaving_the_block_waits_until_the_app_has_returned() -> None:
    steps = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await disconnected(receive)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        steps.append("returned")

    async with connect(app):
        pass
    assert steps == ["returned"]


async def test_iteration_ends_with_the_body() -> None:
    async with connect(finite(b"data: a\n\n", b"data: b\n\ndata: c\n\n")) as events:
        assert [event.data async for event in events] == ["a", "b", "c"]
        with pytest.raises(StreamEnded, match="the body has ended"):
            await events.receive()


async def test_an_event_may_come_in_pieces_and_in_any_line_ending() -> None:
    app = finite(b"event: x\r\nda", b"ta: a\r\n", b"\r\ndata: b\r\r")
    async with connect(app) as events:
        assert [event async for event in events] == [MessageEvent("a", "x"), MessageEvent("b")]


async def test_headers_are_case_insensitive_and_keep_repeats() -> None:
    headers = [*EVENT_STREAM, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"vary", b"x")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=headers)
        await body(send, b"", more=False)

    async with connect(app) as events:
        assert events.headers["Vary"] == "x"
        assert events.headers.get_all("SET-COOKIE") == ["a=1", "b=2"]
        assert events.headers["set-cookie"] == "a=1, b=2"
        assert list(events.headers) == ["content-type", "set-cookie", "vary"]
        assert len(events.headers) == 3
        assert events.headers.raw == tuple(headers)
        assert "x-none" not in events.headers
        assert events.headers.get_all("x-none") == []
        assert "('vary', 'x')" in repr(events.headers)


async def test_comments_retry_and_bytes_are_there_as_they_arrive() -> None:
    blocks = (b": ping\n\n", b"retry: 250\n\n", b"data: a\n\n", b":\n\n")
    async with connect(endless(*blocks)) as events:
        assert (await events.receive()).data == "a"
        assert events.comments == ("ping", "")
        assert events.retry == 250
        assert events.raw == b"".join(blocks)
        assert events.chunks == blocks


async def test_comments_can_be_waited_for_one_after_the_other() -> None:
    async with connect(finite(b": a\n\n", b"data: x\n\n", b": b\n")) as events:
        assert [await events.receive_comment() for _ in range(2)] == ["a", "b"]
        assert events.comments == ("a", "b")
        with pytest.raises(StreamEnded):
            await events.receive_comment()
    async with connect(endless()) as events:
        with pytest.raises(StreamTimeout, match="no comment within"):
            await events.receive_comment(timeout=0.01)


async def test_the_last_event_id_is_that_of_what_was_received() -> None:
    app = endless(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")
    async with connect(app, last_event_id="0") as events:
        assert events.last_event_id == "0"
        assert (await events.receive()).id == "1"
        assert events.last_event_id == "1"
        assert [event.data for event in events.pending] == ["b"]
        await events.receive()
        assert events.last_event_id == "3"


async def test_raw_keeps_the_last_mebibyte() -> None:
    block = b":" + b"x" * 65_533 + b"\n\n"
    async with connect(finite(*[block] * 20), window=10_000_000) as events:
        await events.closed()
        assert events.raw == block * 16
        with pytest.raises(ValueError, match="only the last"):
            await events.body()


async def test_receive_tells_what_did_arrive_when_nothing_comes() -> None:
    app = endless(b"data: a\n\n", b": ping\n\n", b"data: unfinished\n")
    async with connect(app, timeout=0.05) as events:
        await events.receive()
        with pytest.raises(StreamTimeout) as failure:
            await events.receive()
        assert str(failure.value).splitlines() == [
            "no event within 0.05 s",
            "  status: 200, content-type text/event-stream",
            "  events received: 1, the last is MessageEvent(data='a', event='message', id='')",
            "  events not yet received: 0",
            "  comments: 1, the last is 'ping'",
            "  undecoded rest: b'data: unfinished\\n'",
            "  body: 34 bytes, open",
            "  app: is running",
        ]
        with pytest.raises(TimeoutError, match=r"no event within 0\.01 s"):
            await events.receive(timeout=0.01)


async def test_a_timeout_ends_only_the_wait() -> None:
    more = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await more.wait()
        await body(send, b"data: late\n\n")
        await disconnected(receive)

    async with connect(app) as events:
        with pytest.raises(StreamTimeout):
            await events.receive(timeout=0.01)
        more.set()
        assert (await events.receive()).data == "late"


async def test_connect_fails_when_no_response_starts() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await disconnected(receive)

    with pytest.raises(StreamTimeout, match="status: none, the response has not started"):
        async with connect(app, timeout=0.02):
            pytest.fail("entered")


async def test_closed_waits_for_the_clean_end_and_loses_no_event() -> None:
    async with connect(finite(b"data: a\n\n" * 20_000)) as events:
        await events.closed()
        assert len(events.pending) == 20_000


async def test_closed_tells_of_a_body_that_breaks_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: a\n\n")

    async with connect(app) as events:
        with pytest.raises(BodyTruncated, match="body: 9 bytes, cut off"):
            await events.closed()
        assert (await events.receive()).data == "a"
        with pytest.raises(BodyTruncated):
            await anext(events)


async def test_closed_is_bounded() -> None:
    async with connect(endless()) as events:
        with pytest.raises(StreamTimeout, match="the body did not end within"):
            await events.closed(timeout=0.01)


async def test_a_response_that_is_no_stream_can_be_read() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 404, [(b"content-type", b"text/plain")])
        await body(send, b"no such ")
        await body(send, b"stream", more=False)

    async with connect(app) as events:
        assert events.status == 404
        assert await events.text() == "no such stream"
        assert await events.body() == b"no such stream"
        with pytest.raises(NotAnEventStream, match="status: 404, content-type text/plain"):
            await events.receive()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_stream_is_decoded_as_it_arrives(coding: str) -> None:
    wbits = 31 if coding == "gzip" else zlib.MAX_WBITS

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        compress = zlib.compressobj(wbits=wbits)
        await start(send, headers=[*EVENT_STREAM, (b"content-encoding", coding.encode())])
        for data in (b"data: a\n\n", b"data: b\n\n"):
            await body(send, compress.compress(data) + compress.flush(zlib.Z_SYNC_FLUSH))
        await disconnected(receive)

    async with connect(app) as events:
        assert (await events.receive()).data == "a"
        assert (await events.receive()).data == "b"
        assert b"data" not in events.raw


async def test_a_compressed_text_is_decoded() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 500, [(b"content-encoding", b"gzip")])
        await body(send, gzip.compress(b"oops"), more=False)

    async with connect(app) as events:
        assert await events.text() == "oops"


async def test_an_unknown_content_coding_is_told_to_the_test_not_to_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[*EVENT_STREAM, (b"content-encoding", b"compress")])
        await body(send, b"\x1f\x9d\x90")
        await disconnected(receive)

    async with connect(app) as events:
        with pytest.raises(ValueError, match="'compress' cannot be decoded"):
            await events.receive()
        assert events.error is None


async def test_an_event_beyond_the_bound_is_told_to_the_test_not_to_the_app() -> None:
    app = endless(b"data: " + b"x" * 1_100_000, b"\n\n")
    async with connect(app, max_event_size=1_000_000) as events:
        with pytest.raises(ValueError, match="larger than"):
            await events.receive()
        assert events.error is None


async def test_the_scope_is_that_of_a_server() -> None:
    app = endless()
    async with connect(
        app, "/caf%C3%A9/\u00fc x?q=a%20b&r=\u00fc", headers={"X-Y": "z"}, root_path="/api"
    ) as events:
        scope = events.scope
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/caf\u00e9/\u00fc x",
        "raw_path": b"/api/caf%C3%A9/%C3%BC%20x",
        "query_string": b"q=a%20b&r=%C3%BC",
        "root_path": "/api",
        "headers": [(b"host", b"testserver"), (b"accept", b"text/event-stream"), (b"x-y", b"z")],
        "client": ("127.0.0.1", 12345),
        "server": ("testserver", 80),
    }


async def test_the_request_can_be_chosen() -> None:
    async with connect(
        endless(),
        method="POST",
        headers=[(b"Accept", b"*/*"), (b"x", b"1"), (b"x", b"2")],
        body=b"{}",
        last_event_id="\u00fc",
        http_version="2",
        client=None,
        scheme="https",
        state={"db": 1},
        extensions={"http.response.push": {}},
    ) as events:
        scope = events.scope
    assert (scope["method"], scope["http_version"], scope["client"]) == ("POST", "2", None)
    assert (scope["scheme"], scope["state"]) == ("https", {"db": 1})
    assert scope["extensions"] == {"http.response.push": {}}
    assert scope["headers"] == [
        (b"host", b"testserver"),
        (b"content-length", b"2"),
        (b"last-event-id", b"\xc3\xbc"),
        (b"accept", b"*/*"),
        (b"x", b"1"),
        (b"x", b"2"),
    ]


async def test_the_state_is_a_copy_for_each_request() -> None:
    state = {"seen": 1}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["seen"] += 1
        await finite()(scope, receive, send)

    async with connect(app, state=state) as events:
        assert events.scope["state"] == {"seen": 2}
    assert state == {"seen": 1}


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"", [(b"", False)]),
        (b"ab", [(b"ab", False)]),
        ([b"a", b"b"], [(b"a", True), (b"b", False)]),
        ([], [(b"", False)]),
    ],
)
async def test_the_body_arrives_in_the_messages_asked_for(
    sent: Any, received: list[tuple[bytes, bool]]
) -> None:
    messages: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not messages or messages[-1]["more_body"]:
            messages.append(await receive())
        await finite()(scope, receive, send)

    async with connect(app, method="POST", body=sent):
        pass
    assert [(message["body"], message["more_body"]) for message in messages] == received


async def test_head_has_no_body() -> None:
    async with connect(finite(b"data: a\n\n"), method="HEAD") as events:
        await events.closed()
        assert events.raw == b""


async def test_an_app_that_never_waits_is_held_up_by_the_window() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send)
        while True:
            await body(send, b"data: abc\n\n")
            sent += 1
            if sent % 100 == 99:
                await anyio.lowlevel.checkpoint()
                if sent > 1_000:
                    return await disconnected(receive)

    async with connect(app, window=110) as events:
        await events.blocked()
        assert sent == 10
        await events.receive()
        await events.blocked()
        assert sent == 11
        while sent <= 1_000:
            await events.receive()


async def test_a_message_fills_the_window_until_its_last_event_is_received() -> None:
    async with connect(finite(b"data: a\n\ndata: b\n\n", b"data: c\n\n"), window=1) as events:
        await events.receive()
        await settle()
        assert [event.data for event in events.pending] == ["b"]
        await events.receive()
        assert (await events.receive()).data == "c"


async def test_the_app_sees_the_context_of_the_test() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await finite(b"data: " + TENANT.get().encode() + b"\n\n")(scope, receive, send)

    token = TENANT.set("acme")
    try:
        async with connect(app) as events:
            assert (await events.receive()).data == "acme"
    finally:
        TENANT.reset(token)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": "ticks"}, ValueError, "path must begin with '/'"),
        ({"path": "/#x"}, ValueError, "have no fragment"),
        ({"path": 1}, TypeError, "path must be a str"),
        ({"method": "GE T"}, ValueError, "method must be a token"),
        ({"http_version": "1.2"}, ValueError, "http_version must be one of"),
        ({"scheme": "ftp"}, ValueError, "scheme must be"),
        ({"scope_type": "lifespan"}, ValueError, "scope_type must be"),
        ({"root_path": "api"}, ValueError, "root_path must begin"),
        ({"last_event_id": "a\nb"}, ValueError, "last_event_id must not hold"),
        ({"headers": {"a b": "c"}}, ValueError, "a header name must be a token"),
        ({"headers": {"a": "b\r\nc"}}, ValueError, "a header value must not hold"),
        ({"headers": {"a": 1}}, TypeError, "must be str or bytes"),
        ({"body": "text"}, TypeError, "body must be bytes"),
        ({"timeout": 0}, ValueError, "timeout must be above 0"),
        ({"window": 0}, ValueError, "window must be above 0"),
        ({"app": None}, TypeError, "app must be an ASGI 3 application"),
    ],
)
async def test_wrong_arguments_are_refused_at_once(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        connect(**{"app": endless(), **arguments})


async def test_nothing_can_be_asked_before_the_block_is_entered() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        connect(endless()).status  # noqa: B018


async def test_event_of_many_megabytes_is_received() -> None:
    async with connect(finite(b"data: " + b"x" * 5_000_000 + b"\n\n")) as events:
        assert len((await events.receive()).data) == 5_000_000


def test_typed_options_are_the_parameters_of_connect() -> None:
    parameters = set(inspect.signature(connect).parameters) - {"app", "path"}
    assert set(ConnectOptions.__annotations__) == parameters


NEVER_WAITING: dict[str, tuple[bytes, bytes, str]] = {
    "events": (b"text/event-stream", b"data: x\n\n", "GET"),
    "empty bodies": (b"text/event-stream", b"", "GET"),
    "comments": (b"text/event-stream", b": ping\n\n", "GET"),
    "plain text": (b"text/plain", b"line\n", "GET"),
    "a body for HEAD": (b"text/event-stream", b"data: x\n\n", "HEAD"),
}


@pytest.mark.parametrize("kind", NEVER_WAITING)
async def test_app_that_sends_without_ever_waiting_is_left_in_time(kind: str) -> None:
    content_type, chunk, method = NEVER_WAITING[kind]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", content_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    with pytest.raises(AppLeaked):
        async with connect(app, method=method, timeout=0.1):
            await anyio.lowlevel.checkpoint()


EXTENSIONS: dict[str, list[dict[str, Any]]] = {
    "http.response.trailers": [
        {"type": "http.response.body", "body": b"data: x\n\n"},
        {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False},
    ],
    "http.response.pathsend": [{"type": "http.response.pathsend", "path": __file__}],
}


@pytest.mark.parametrize("extension", EXTENSIONS)
async def test_app_may_use_an_extension_that_the_test_announces(extension: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        has_trailers = extension.endswith("trailers")
        await send({"type": "http.response.start", "status": 200, "trailers": has_trailers})
        for message in EXTENSIONS[extension]:
            await send(message)

    async with connect(app, extensions={extension: {}}) as events:
        await events.closed()
        await events.returned()
        assert events.raw


async def test_headers_may_be_any_iterable() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = (pair for pair in [(b"content-type", b"text/event-stream")])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await body(send, b"data: x\n\n", more=False)

    async with connect(app) as events:
        assert (await events.receive()).data == "x"
