"""The rules of ASGI that the client holds an app to."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from sse_asgi.testing import ASGIViolation, connect, settle
from tests.testing.apps import EVENT_STREAM, Receive, Scope, Send, body, disconnected, finite, start

pytestmark = pytest.mark.anyio

START = {"type": "http.response.start", "status": 200, "headers": EVENT_STREAM}
BODY = {"type": "http.response.body", "body": b"ab", "more_body": True}
END = {"type": "http.response.body", "body": b"", "more_body": False}
LENGTH = {**START, "headers": [(b"content-length", b"3")]}


def with_header(name: Any, value: Any = b"x") -> Any:
    """Return a start message with one header field."""
    return {**START, "headers": [(name, value)]}


ALWAYS = [
    ([{"type": "http.response.start", "status": 200}, START], "a response starts once"),
    ([BODY], "before the response was started"),
    ([START, END, BODY], "sent after the final body"),
    ([START, END, END], "sent after the final body"),
    ([{**START, "status": "200"}], "status must be an int"),
    ([{**START, "status": True}], "status must be an int"),
    ([{**START, "status": 103}], "status must be from 200 to 599"),
    ([{**START, "headers": [b"x"]}], r"headers must hold \[name, value\] pairs"),
    ([with_header("x")], "must be byte strings"),
    ([with_header(b"x", "y")], "must be byte strings"),
    ([with_header(b"x y")], "a header name must be a token"),
    ([with_header(b":status")], "a header name must be a token"),
    ([with_header(b"x", b"a\r\nb")], "must not hold CR, LF or NUL"),
    ([START, {**BODY, "body": "text"}], "body must be a byte string"),
    ([{"type": "http.response.trailers"}], r"nor announced in scope\['extensions'\]"),
    ([{"status": 200}], "a message is a dict"),
    (["http.response.start"], "a message is a dict"),
    ([{"type": "websocket.close"}], "nor announced"),
]
STRICT = [
    ([with_header(b"Content-Type")], "header names must be lower-case"),
    ([START, {**BODY, "body": bytearray(b"x")}, END], "body must be a byte string"),
    ([START, {**BODY, "more_body": 0}], "more_body must be a bool"),
    ([LENGTH, BODY, BODY], "the body has 4 bytes, but content-length says 3"),
    ([LENGTH, BODY, END], "the body has 2 bytes, but content-length says 3"),
]


def sending(messages: list[Any]) -> Any:
    """Return an app that sends the messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def read(app: Any, **options: Any) -> None:
    """Let the app answer and read it to its end."""
    async with connect(app, **options) as events:
        await events.returned()


@pytest.mark.parametrize(("messages", "rule"), [*ALWAYS, *STRICT])
async def test_a_message_that_breaks_a_rule_is_refused_by_name(
    messages: list[Any], rule: str
) -> None:
    with pytest.raises(ASGIViolation, match=rule):
        await read(sending(messages))


@pytest.mark.parametrize(("messages", "rule"), ALWAYS)
async def test_some_rules_hold_without_strict(messages: list[Any], rule: str) -> None:
    with pytest.raises(ASGIViolation, match=rule):
        await read(sending(messages), strict=False)


@pytest.mark.parametrize(("messages", "rule"), STRICT)
async def test_other_rules_hold_only_with_strict(messages: list[Any], rule: str) -> None:
    await read(sending(messages), strict=False)


async def test_headers_may_be_lists_and_any_status_int_will_do() -> None:
    from http import HTTPStatus

    message = {**START, "status": HTTPStatus.OK, "headers": [[b"x", b"y"]]}
    await read(sending([message, END]))


@pytest.mark.parametrize(("version", "allowed"), [("1.1", True), ("2", False), ("3", False)])
async def test_http_2_and_3_have_no_connection_field(version: str, allowed: bool) -> None:
    app = sending([with_header(b"connection", b"keep-alive"), END])
    if allowed:
        await read(app, http_version=version)
    else:
        with pytest.raises(ASGIViolation, match="have no connection field"):
            await read(app, http_version=version)


async def test_an_announced_extension_may_be_used() -> None:
    app = sending([{"type": "http.response.early_hint", "links": []}, START, END])
    await read(app, extensions={"http.response.early_hint": {}})


async def test_a_head_response_may_announce_a_length() -> None:
    await read(sending([LENGTH, END]), method="HEAD")


async def test_overlapping_sends_are_found_even_if_the_app_swallows_the_error() -> None:
    found = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: a\n\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(body, send, b"data: b\n\n")
            await settle()
            with pytest.raises(ASGIViolation):
                await body(send, b"data: c\n\n")
            found.set()
        await disconnected(receive)

    with pytest.raises(ASGIViolation, match="messages would overlap"):
        async with connect(app, window=1) as events:
            with anyio.fail_after(5):
                await found.wait()
            await events.closed()


async def test_overlapping_sends_are_let_pass_without_strict() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(body, send, b"data: a\n\n")
            tasks.start_soon(body, send, b"data: b\n\n")
        await body(send, b"", more=False)

    async with connect(app, window=1, strict=False) as events:
        assert sorted([event.data async for event in events]) == ["a", "b"]


async def test_a_send_that_was_cancelled_may_be_tried_again() -> None:
    paused = anyio.Event()
    given_up = anyio.Event()

    async def cancel(scope: anyio.CancelScope) -> None:
        await given_up.wait()
        scope.cancel()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel, tasks.cancel_scope)
            await body(send, b"", more=False)
        await body(send, b"", more=False)

    async with connect(app) as events:
        events.pause()
        paused.set()
        await events.blocked()
        given_up.set()
        await settle()
        events.resume()
        await events.closed()


async def test_a_send_after_the_return_is_found() -> None:
    late: list[Send] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        late.append(send)

    with pytest.raises(ASGIViolation, match="it left a task behind"):
        async with connect(app) as events:
            await events.returned()
            with pytest.raises(ASGIViolation):
                await body(late[0], b"")


async def test_an_app_that_never_starts_a_response_is_found() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    with pytest.raises(ASGIViolation, match=r"http\.response\.start was never sent"):
        async with connect(app):
            pytest.fail("entered")


async def test_a_swallowed_violation_fails_the_wait_that_it_happens_in() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await settle()
        with pytest.raises(ASGIViolation):
            await start(send)
        await disconnected(receive)

    with pytest.raises(ASGIViolation, match="starts once"):
        async with connect(app) as events:
            with anyio.fail_after(5):
                await events.receive(timeout=100)


async def test_a_swallowed_violation_fails_the_block() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await finite()(scope, receive, send)
        await disconnected(receive)
        with pytest.raises(ASGIViolation):
            await body(send, b"late")

    with pytest.raises(ASGIViolation, match="after the final body"):
        async with connect(app, raise_app_exceptions=False):
            pass
