"""The drop-in for sse-starlette, on every event loop."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from sse_asgi import JSONServerSentEvent as NativeJSON
from sse_asgi.adapters.starlette import (
    AppStatus,
    EventSourceResponse,
    JSONServerSentEvent,
    SendTimeoutError,
    ServerSentEvent,
    ensure_bytes,
)
from sse_asgi.testing import VirtualClock, connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("starlette")]

Make = Callable[[], EventSourceResponse]


def app_of(make: Make) -> Starlette:
    """Return an application whose one route answers with what ``make`` returns."""

    async def endpoint(request: Request) -> EventSourceResponse:
        return make()

    return Starlette(routes=[Route("/", endpoint)])


async def items(*content: Any) -> AsyncIterator[Any]:
    """Yield the items."""
    for item in content:
        yield item


class Endless:
    """Content that yields one event and waits, and notes when it is closed."""

    def __init__(self) -> None:
        self.is_closed = False

    async def __call__(self) -> AsyncIterator[str]:
        try:
            yield "first"
            await anyio.sleep_forever()
        finally:
            self.is_closed = True


async def body_of(make: Make, **options: Any) -> bytes:
    """Return the whole body of the response."""
    async with connect(app_of(make), **options) as client:
        return await client.body()


def test_parameters_are_those_of_sse_starlette() -> None:
    names = list(inspect.signature(EventSourceResponse).parameters)
    assert names == [
        *("content", "status_code", "headers", "media_type", "background", "ping", "sep"),
        *("ping_message_factory", "data_sender_callable", "send_timeout"),
        *("client_close_handler_callable", "shutdown_event", "shutdown_grace_period"),
        "cleanup_timeout",
    ]


async def test_items_are_encoded_by_the_rules_of_sse_starlette() -> None:
    content = items(
        "a\r\nb\rc\nd\u2028e", {"data": {"x": 1}}, {"data": "", "id": "5"}, b"raw", 7, None,
        {"event": "e\nvil", "data": "x", "id": "1\r2", "retry": 3, "sep": "ignored"},
        ServerSentEvent("z", event="error", comment="c", sep="\n"), JSONServerSentEvent({"a": "é"}),
        NativeJSON("native", event="n"),
    )  # fmt: skip
    assert (
        await body_of(lambda: EventSourceResponse(content))
        == (
            "data: a\r\ndata: b\r\ndata: c\r\ndata: d\u2028e\r\n\r\ndata: {'x': 1}\r\n\r\n"
            "id: 5\r\ndata: \r\n\r\nrawdata: 7\r\n\r\ndata: None\r\n\r\n"
            "id: 12\r\nevent: evil\r\ndata: x\r\nretry: 3\r\n\r\n: c\nevent: error\ndata: z\n\n"
            'data: {"a":"é"}\r\n\r\nevent: n\r\ndata: "native"\r\n\r\n'
        ).encode()
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"id": "a\0b"}, ValueError),
        ({"retry": -1}, ValueError),
        ({"retry": True}, TypeError),
        ({"retry": "1"}, TypeError),
        ({"id": 1}, TypeError),
        ({"event": 1}, TypeError),
    ],
)
def test_fields_that_a_browser_would_misread_are_errors(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(fields))):
        ServerSentEvent("x", **fields)
    event = ServerSentEvent("x")
    vars(event).update(fields)
    with pytest.raises(error, match=next(iter(fields))):
        event.encode()


def test_ensure_bytes_takes_no_separator_for_crlf() -> None:
    assert ensure_bytes("a", None) == ensure_bytes({"data": "a"}, None) == b"data: a\r\n\r\n"
    assert ensure_bytes(memoryview(b"x"), None) == b"x"


@pytest.mark.parametrize("content", ["text", b"bytes", {"data": 1}, 1, items])
def test_what_is_no_content_is_an_error_at_construction(content: Any) -> None:
    with pytest.raises(TypeError, match="content"):
        EventSourceResponse(content)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ping": -1}, ValueError),
        ({"ping": "1"}, TypeError),
        ({"sep": "x"}, ValueError),
        ({"send_timeout": -1}, ValueError),
        ({"shutdown_grace_period": -1}, ValueError),
        ({"cleanup_timeout": -1}, ValueError),
    ],
)
def test_impossible_parameters_are_errors(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        EventSourceResponse([], **options)


async def test_head_has_the_callers_fields_once_and_never_a_connection_field() -> None:
    headers = {"Content-Type": "text/plain", "Cache-Control": "no-cache", "Connection": "close"}
    make = lambda: EventSourceResponse(items("a"), 201, headers)  # noqa: E731
    async with connect(app_of(make)) as client:
        assert client.status == 201
        assert sorted(client.headers.items()) == [
            ("cache-control", "no-cache"),
            ("content-type", "text/plain"),
            ("incremental", "?1"),
            ("x-accel-buffering", "no"),
        ]


async def test_attributes_may_be_set_after_construction() -> None:
    heard: list[str] = []

    def make() -> EventSourceResponse:
        response = EventSourceResponse(items("never"), media_type="application/x-lines")
        response.body_iterator = items("set")
        response.background = BackgroundTask(heard.append, "background")
        response.status_code = 202
        response.ping_interval = 0
        response.headers.setdefault("x-set", "yes")
        response.set_cookie("c", "1")
        return response

    async with connect(app_of(make)) as client:
        assert (client.status, client.headers["x-set"]) == (202, "yes")
        assert client.headers["content-type"] == "application/x-lines"
        assert "set-cookie" in client.headers
        assert await client.body() == b"data: set\r\n\r\n"
    assert heard == ["background"]


def test_body_iterator_is_the_content_itself() -> None:
    content = ["a"]
    assert EventSourceResponse(content).body_iterator is content


async def test_disconnect_calls_the_handler_closes_the_content_and_runs_the_background() -> None:
    content, heard = Endless(), list[str]()

    async def handler(message: Any) -> None:
        heard.append(message["type"])

    make = lambda: EventSourceResponse(  # noqa: E731
        content(),
        client_close_handler_callable=handler,
        background=BackgroundTask(heard.append, "background"),
    )
    async with connect(app_of(make)) as client:
        assert (await client.receive()).data == "first"
    assert heard == ["http.disconnect", "background"]
    assert content.is_closed


async def test_head_runs_the_background_and_no_sender_and_closes_the_content() -> None:
    heard: list[str] = []

    async def sender() -> None:
        heard.append("sender")

    def content() -> Any:
        try:
            yield
            heard.append("content")
        finally:
            heard.append("closed")

    make = lambda: EventSourceResponse(  # noqa: E731
        content(),
        data_sender_callable=sender,
        background=BackgroundTask(heard.append, "background"),
    )
    assert await body_of(make, method="HEAD") == b""
    assert heard == ["closed", "background"]


async def test_data_sender_fills_the_receive_stream_that_is_the_content() -> None:
    def make() -> EventSourceResponse:
        send_stream, receive_stream = anyio.create_memory_object_stream[Any](0)

        async def sender() -> None:
            async with send_stream:
                for number in range(3):
                    await send_stream.send({"data": number})

        return EventSourceResponse(receive_stream, data_sender_callable=sender)

    assert await body_of(make) == b"data: 0\r\n\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"


async def test_error_of_the_data_sender_is_the_responses() -> None:
    async def sender() -> None:
        raise LookupError("sender")

    content = Endless()
    make = lambda: EventSourceResponse(content(), data_sender_callable=sender)  # noqa: E731
    with pytest.raises(LookupError, match="sender"):
        await body_of(make)
    assert content.is_closed


async def test_group_of_one_exception_reaches_middleware_as_that_exception() -> None:
    async def content() -> AsyncIterator[str]:
        yield "a"
        raise ExceptionGroup("group", [ExceptionGroup("inner", [LookupError("one")])])

    with pytest.raises(LookupError, match="one"):
        await body_of(lambda: EventSourceResponse(content()))


async def test_exception_before_the_first_event_is_a_real_response() -> None:
    async def content() -> AsyncIterator[str]:
        raise HTTPException(404, "none")
        yield

    async with connect(app_of(lambda: EventSourceResponse(content()))) as client:
        assert client.status == 404


async def test_pings_keep_their_cadence_whatever_the_content_sends() -> None:
    send_stream, receive_stream = anyio.create_memory_object_stream[str](9)
    make = lambda: EventSourceResponse(receive_stream, ping=2.5)  # noqa: E731
    with VirtualClock() as clock, send_stream:
        send_stream.send_nowait("x")
        async with connect(app_of(make)) as client:
            for _ in range(5):
                await client.receive()
                await clock.advance(1)
                send_stream.send_nowait("x")
            assert len([text for text in client.comments if text.startswith("ping - ")]) == 2


@pytest.mark.parametrize(
    ("factory", "sent"),
    [
        (lambda: b": raw\n\n", b": raw\n\n"),
        (lambda: b"", b""),
        (lambda: ServerSentEvent(comment="own"), b": own\r\n\r\n"),
        (lambda: {"event": "ping", "data": ""}, b"event: ping\r\ndata: \r\n\r\n"),
    ],
)
async def test_ping_message_factory_makes_the_ping(factory: Any, sent: bytes) -> None:
    content = Endless()
    make = lambda: EventSourceResponse(content(), ping=1, ping_message_factory=factory)  # noqa: E731
    with VirtualClock() as clock:
        async with connect(app_of(make)) as client:
            await client.receive()
            await clock.advance(1)
            assert client.raw == b"data: first\r\n\r\n" + sent


async def test_ping_of_zero_sends_none() -> None:
    content = Endless()
    with VirtualClock() as clock:
        async with connect(app_of(lambda: EventSourceResponse(content(), ping=0))) as client:
            await client.receive()
            await clock.advance(60)
            assert client.raw == b"data: first\r\n\r\n"


async def test_client_that_takes_too_long_is_a_send_timeout_error() -> None:
    async def flood() -> AsyncIterator[str]:
        while True:
            yield "x" * 1000

    make = lambda: EventSourceResponse(flood(), send_timeout=0.05)  # noqa: E731
    async with connect(app_of(make)) as client:
        client.pause()
        with pytest.raises(SendTimeoutError):
            await client.returned()


async def test_should_exit_ends_open_streams_and_new_ones_until_it_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AppStatus, "should_exit", False)
    content, event = Endless(), anyio.Event()
    make = lambda: EventSourceResponse(content(), shutdown_event=event)  # noqa: E731
    app = app_of(make)
    async with connect(app) as client:
        await client.receive()
        AppStatus.should_exit = True
        await client.closed()
        assert content.is_closed
        assert event.is_set()
    async with connect(app) as client:
        await client.closed()
    AppStatus.should_exit = False
    async with connect(app) as client:
        await client.receive()


async def test_content_has_its_grace_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AppStatus, "should_exit", False)
    event = anyio.Event()

    async def content() -> AsyncIterator[str]:
        yield "first"
        await event.wait()
        yield "farewell"

    make = lambda: EventSourceResponse(  # noqa: E731
        content(), shutdown_event=event, shutdown_grace_period=3
    )
    async with connect(app_of(make)) as client:
        await client.receive()
        AppStatus.should_exit = True
        assert (await client.receive()).data == "farewell"
        await client.closed()


async def test_without_the_automatic_drain_only_should_exit_ends_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sse_asgi import drain

    monkeypatch.setattr(AppStatus, "should_exit", False)
    content = Endless()
    AppStatus.disable_automatic_graceful_drain()
    try:
        async with connect(app_of(lambda: EventSourceResponse(content()))) as client:
            await client.receive()
            drain()
            await anyio.wait_all_tasks_blocked()
            assert not content.is_closed
            assert not AppStatus.should_exit
            AppStatus.should_exit = True
            await client.closed()
    finally:
        AppStatus.enable_automatic_graceful_drain_mode()


async def test_active_set_to_false_ends_the_stream() -> None:
    response = EventSourceResponse(Endless()())
    async with connect(app_of(lambda: response)) as client:
        await client.receive()
        assert response.active
        response.active = False
        await client.closed()


class OwnStream(EventSourceResponse):
    """A response that streams by itself, with what its base class offers for that."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as tasks:

            async def until_done(wait: Callable[[], Awaitable[None]]) -> None:
                await wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_done, lambda: self._stream(send))
            tasks.start_soon(until_done, self._listen_for_exit_signal)
            tasks.start_soon(until_done, lambda: self._listen_for_disconnect(receive))
        async with self._send_lock:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Any) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        assert not isinstance(self.body_iterator, list)
        async for item in self.body_iterator:  # type: ignore[union-attr]
            async with self._send_lock:
                body = ensure_bytes(item, self.sep)
                await send({"type": "http.response.body", "body": body, "more_body": True})


async def test_subclass_that_streams_by_itself_hears_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AppStatus, "should_exit", False)
    content = Endless()
    async with connect(app_of(lambda: OwnStream(content()))) as client:
        await client.receive()
        AppStatus.should_exit = True
        await client.closed()
    assert content.is_closed
    AppStatus.should_exit = False
    content = Endless()
    async with connect(app_of(lambda: OwnStream(content()))) as client:
        await client.receive()
    assert content.is_closed


async def test_websocket_handshake_is_denied() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await EventSourceResponse(items("a"), 403)(scope, receive, send)

    extensions: dict[str, Any] = {"websocket.http.response": {}}
    async with connect(app, scope_type="websocket", extensions=extensions) as client:
        assert client.status == 400
        assert b"not as a WebSocket" in await client.body()
