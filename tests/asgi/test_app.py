"""The mountable app: methods, request bodies, lifespan, and handlers that cannot be one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.asgi import app as app_module
from sse_asgi.testing import connect, lifespan, settle
from tests.harness import Peer, http_scope, nothing_left, serve, serving

DENIAL: dict[str, Any] = {"websocket.http.response": {}}


async def hello(connection: Connection) -> AsyncIterator[str]:
    yield "hello"


async def echo(connection: Connection) -> AsyncIterator[str]:
    yield connection.body.decode()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (("GET",), "GET, HEAD"),
        ("GET", "GET, HEAD"),
        (["POST"], "POST"),
        (("POST", "GET", "POST"), "POST, GET, HEAD"),
        ({"PUT": 1, "PATCH": 2}.keys(), "PUT, PATCH"),
    ],
)
async def test_other_methods_are_told_which_are_allowed(methods: Any, allow: str) -> None:
    app = EventSourceApp(hello, methods=methods)
    for method in ("DELETE", "OPTIONS", "get"):
        peer = await serve(app, method=method)
        assert peer.status == 405
        assert peer.headers == {b"allow": allow.encode()}
        assert peer.body == b""
        assert peer.ended
    for method in allow.split(", "):
        peer = Peer(on_receive=lambda number: request(number))
        assert (await serve(app, peer, method=method)).status == 200


async def request(number: int) -> Any:
    if number == 1:
        return {"type": "http.request", "body": b"", "more_body": False}
    return await anyio.sleep_forever()


@pytest.mark.anyio
async def test_head_is_answered_without_the_handler() -> None:
    def handler(connection: Connection) -> list[str]:
        raise AssertionError(connection)

    peer = await serve(EventSourceApp(handler, headers={"x-a": "b"}), method="HEAD")
    assert peer.status == 200
    assert peer.headers[b"content-type"] == b"text/event-stream"
    assert peer.headers[b"x-a"] == b"b"
    assert peer.body == b""
    assert peer.receives == 0


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "QUERY"])
async def test_body_of_the_request_is_read_before_the_handler_is_called(method: str) -> None:
    app = EventSourceApp(echo, methods=["GET", method])
    async with connect(app, method=method, body=[b"one", b" ", b"two"]) as events:
        assert (await events.receive()).data == "one two"


@pytest.mark.anyio
async def test_body_of_a_get_request_is_left_alone() -> None:
    async with connect(EventSourceApp(echo), body=b"one") as events:
        assert (await events.receive()).data == ""


@pytest.mark.anyio
@pytest.mark.parametrize(("chunks", "status"), [([b"1234"], 200), ([b"12", b"34", b"5"], 413)])
async def test_body_of_the_request_may_be_of_a_bounded_size(
    chunks: list[bytes], status: int
) -> None:
    app = EventSourceApp(echo, methods=["POST"], max_body=4)
    async with connect(app, method="POST", body=chunks) as events:
        assert events.status == status
        if status == 413:
            assert await events.text() == "the body must not have more than 4 bytes"


@pytest.mark.anyio
async def test_body_that_is_too_great_is_not_read_to_its_end() -> None:
    async def endless(number: int) -> Any:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    peer = Peer(on_receive=endless)
    await serve(EventSourceApp(echo, methods=["POST"], max_body=5000), peer, method="POST")
    assert peer.status == 413
    assert peer.receives == 6


@pytest.mark.anyio
async def test_body_that_does_not_arrive_in_time_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(app_module, "BODY_TIMEOUT", 0.02)
    async with nothing_left():
        peer = await serve(EventSourceApp(echo, methods=["POST"]), method="POST")
    assert peer.status == 408
    assert peer.body == b"the body did not arrive within 0.02 seconds"


@pytest.mark.needs("trio")
def test_body_has_half_a_minute_to_arrive() -> None:
    import trio
    import trio.testing

    async def main() -> tuple[int, float]:
        began, peer = trio.current_time(), Peer()
        app = EventSourceApp(echo, methods=["POST"])
        await app(http_scope(method="POST"), peer.receive, peer.send)
        return peer.status, trio.current_time() - began

    clock = trio.testing.MockClock(autojump_threshold=0)
    status, seconds = trio.run(main, clock=clock)
    assert status == 408
    assert seconds == pytest.approx(30)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["disconnect", "OSError"])
async def test_client_that_leaves_amid_its_request_gets_no_answer(fault: str) -> None:
    async def leave(number: int) -> Any:
        if number == 1:
            return {"type": "http.request", "body": b"x", "more_body": True}
        if fault == "OSError":
            raise OSError("gone")
        return {"type": "http.disconnect"}

    def handler(connection: Connection) -> list[str]:
        raise AssertionError("there is nobody to answer")

    peer = await serve(
        EventSourceApp(handler, methods=["POST"]), Peer(on_receive=leave), method="POST"
    )
    assert not peer.messages


@pytest.mark.anyio
@pytest.mark.parametrize("number", [1, 2])
async def test_client_that_leaves_before_its_refusal_is_no_error(number: int) -> None:
    async def fail(call: int) -> None:
        if call == number:
            raise OSError("gone")

    peer = await serve(EventSourceApp(hello), Peer(on_send=fail), method="POST")
    assert peer.sends == number


@pytest.mark.anyio
async def test_refusal_by_the_handler_gives_its_status() -> None:
    def handler(connection: Connection) -> list[str]:
        if connection.last_event_id == "9":
            raise Refusal(204)
        return ["a"]

    app = EventSourceApp(handler)
    async with connect(app, last_event_id="9") as events:
        assert events.status == 204
    async with connect(app) as events:
        assert events.status == 200


@pytest.mark.anyio
@pytest.mark.parametrize("extensions", [DENIAL, None])
async def test_websocket_handshake_is_denied_also_where_get_is_not_allowed(
    extensions: Any,
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "extensions": extensions}
    await EventSourceApp(hello, methods=["POST"])(scope, Peer().receive, send)
    kinds = [message["type"] for message in sent]
    if extensions is None:
        assert kinds == ["websocket.close"]
    else:
        assert kinds == ["websocket.http.response.start", "websocket.http.response.body"]
        assert sent[0]["status"] == 405


@pytest.mark.anyio
async def test_lifespan_is_answered() -> None:
    app = EventSourceApp(hello)
    async with nothing_left(), lifespan(app) as state, connect(app, state=state) as events:
        assert (await events.receive()).data == "hello"


@pytest.mark.anyio
async def test_lifespan_may_be_cancelled() -> None:
    async def startup_only(number: int) -> Any:
        if number == 1:
            return {"type": "lifespan.startup"}
        return await anyio.sleep_forever()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    peer = Peer(on_receive=startup_only)
    peer.send = send  # type: ignore[method-assign]
    async with serving(EventSourceApp(hello), peer, type="lifespan") as served:
        await settle()
        served.task.cancel()
        await served.returned()
    assert sent == [{"type": "lifespan.startup.complete"}]


@pytest.mark.anyio
async def test_unknown_scope_is_refused_by_name() -> None:
    with pytest.raises(RuntimeError, match="the ASGI scope 'mqtt'"):
        await EventSourceApp(hello)({"type": "mqtt"}, Peer().receive, Peer().send)


class Handler:
    """A class is no handler, its instance would be."""

    def __call__(self, connection: Connection) -> list[str]:
        return []


BAD_HANDLERS: list[tuple[Any, str]] = [
    (None, "not None"),
    (["a"], r"not \['a'\]"),
    (Handler, "not <class .*Handler"),
    (lambda: ["a"], "take one argument, the connection, .*too many"),
    (lambda connection, other: ["a"], "take one argument, .*'other'"),
    (lambda *, connection: ["a"], "take one argument, .*too many"),
]


@pytest.mark.parametrize(("handler", "reason"), BAD_HANDLERS, ids=[row[1] for row in BAD_HANDLERS])
def test_what_cannot_be_a_handler_is_refused_with_the_reason(handler: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=f"^handler must .*{reason}"):
        EventSourceApp(handler)


def nothing(connection: Connection) -> Any:
    connection.headers.get_all("x")


async def nothing_after_a_wait(connection: Connection) -> Any:
    await checkpoint()


@pytest.mark.anyio
@pytest.mark.parametrize("handler", [nothing, nothing_after_a_wait, partial(nothing)])
async def test_handler_that_returns_nothing_fails_with_the_reason(handler: Any) -> None:
    with pytest.raises(TypeError, match="what the handler returned must be .* not None"):
        await serve(EventSourceApp(handler))


def refuses(connection: Connection) -> list[str]:
    raise Refusal(204)


async def delegates(connection: Connection) -> Any:
    return hello(connection)


GOOD_HANDLERS: list[Callable[[Connection], Any]] = [refuses, delegates, Handler(), print]


@pytest.mark.parametrize("handler", GOOD_HANDLERS)
def test_what_may_return_content_is_accepted(handler: Any) -> None:
    EventSourceApp(handler)
