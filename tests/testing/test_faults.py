"""Clients and servers that misbehave on demand."""

from __future__ import annotations

import anyio
import pytest

from sse_asgi.testing import (
    ASGI_2_4,
    DAPHNE,
    GRANIAN,
    HYPERCORN,
    HYPERCORN_H2,
    UVICORN,
    ASGIViolation,
    BodyTruncated,
    Message,
    ServerProfile,
    StreamEnded,
    StreamTimeout,
    connect,
    settle,
)

from .apps import Receive, Scope, Send, Ticker, body, disconnected, endless, finite, start

pytestmark = pytest.mark.anyio


async def test_disconnect_is_told_by_receive_and_ends_the_iteration() -> None:
    app = Ticker()
    async with connect(app) as events:
        await events.receive()
        events.disconnect()
        await events.returned()
        assert app.closed
        pending = len(events.pending)
        assert len([event async for event in events]) == pending
        with pytest.raises(StreamEnded, match="this client has disconnected"):
            await events.closed()


@pytest.mark.parametrize("server", [UVICORN, GRANIAN])
async def test_a_second_receive_after_the_disconnect_returns_it_again(
    server: ServerProfile,
) -> None:
    told = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        told.extend([await receive() for _ in range(4)])

    async with connect(app, server=server):
        pass
    assert [message["type"] for message in told] == ["http.request"] + ["http.disconnect"] * 3


@pytest.mark.parametrize("server", [HYPERCORN, HYPERCORN_H2, DAPHNE])
async def test_a_second_receive_after_the_disconnect_waits_for_ever(server: ServerProfile) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: a\n\n")
        await disconnected(receive)
        with anyio.move_on_after(0.01) as wait:
            await receive()
        assert wait.cancelled_caught

    async with connect(app, server=server):
        pass


async def test_receive_returns_the_disconnect_once_the_response_is_complete() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await finite()(scope, receive, send)
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    async with connect(app) as events:
        await events.returned()


async def test_the_request_is_not_delivered_after_the_disconnect() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while (await receive())["type"] != "http.disconnect":
            await anyio.lowlevel.checkpoint()

    async with connect(app, body=[b"x"] * 1_000_000):
        pass


@pytest.mark.parametrize("server", [UVICORN, GRANIAN, HYPERCORN, HYPERCORN_H2, DAPHNE])
async def test_send_after_the_disconnect_is_silent(server: ServerProfile) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: a\n\n")
        await disconnected(receive)
        for _ in range(10):
            await body(send, b"data: a\n\n")

    async with connect(app, server=server) as events:
        events.disconnect()
        await events.returned()
        assert events.raw == b"data: a\n\n"


async def test_send_after_the_disconnect_raises_as_of_asgi_2_4() -> None:
    app = Ticker()

    async def unwatched(scope: Scope, receive: Receive, send: Send) -> None:
        await app._stream(send, 0)

    async with connect(unwatched, server=ASGI_2_4) as events:
        await events.receive()
        events.disconnect()
        await events.returned()
        assert isinstance(events.error, OSError)
        assert events.scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}


async def test_what_an_app_makes_of_the_error_of_send_is_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await disconnected(receive)
        try:
            await body(send, b"x")
        except OSError as exc:
            raise RuntimeError("unprepared") from exc

    with pytest.raises(RuntimeError, match="unprepared"):
        async with connect(app, server=ASGI_2_4):
            pass


@pytest.mark.parametrize("server", [UVICORN, HYPERCORN, HYPERCORN_H2])
async def test_a_paused_client_holds_send_up(server: ServerProfile) -> None:
    sent = []
    paused = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        for number in range(5):
            await body(send, b"data: %d\n\n" % number)
            sent.append(number)
        await body(send, b"", more=False)

    async with connect(app, server=server) as events:
        events.pause(window=9)
        paused.set()
        await events.blocked()
        assert sent == [0]
        assert events.pending == ()
        with pytest.raises(StreamTimeout, match="app: waits for this client to read"):
            await events.receive(timeout=0.01)
        events.resume()
        assert [event.data async for event in events] == ["0", "1", "2", "3", "4"]


async def test_a_pause_can_be_widened_and_a_body_that_ends_is_held_up_no_more() -> None:
    paused = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        await body(send, b"data: a\n\n")
        await body(send, b"", more=False)

    async with connect(app) as events:
        events.pause()
        paused.set()
        await events.blocked()
        events.pause(window=1000)
        with pytest.raises(StreamTimeout):
            await events.blocked(timeout=0.01)
        with pytest.raises(StreamTimeout, match="body: 0 bytes, held back"):
            await events.closed(timeout=0.01)
        assert events.raw == b""
        events.resume()
        with pytest.raises(StreamEnded):
            await events.blocked()


async def test_a_paused_client_holds_up_the_final_body_too() -> None:
    paused = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        await body(send, b"", more=False)

    async with connect(app) as events:
        events.pause()
        paused.set()
        await events.blocked()
        with pytest.raises(StreamTimeout):
            await events.closed(timeout=0.01)
        events.resume()
        await events.closed()


async def test_daphne_takes_everything_while_the_client_is_paused() -> None:
    paused = anyio.Event()
    taken = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: first\n\n")
        await paused.wait()
        for _ in range(100):
            await body(send, b"data: more\n\n")
        taken.set()
        await disconnected(receive)

    async with connect(app, server=DAPHNE) as events:
        events.pause()
        paused.set()
        with anyio.fail_after(5):
            await taken.wait()
        assert len(events.pending) == 1
        events.resume()
        assert len(events.pending) == 101


async def test_on_daphne_the_head_waits_for_the_first_body_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await disconnected(receive)

    with pytest.raises(StreamTimeout):
        async with connect(app, server=DAPHNE, timeout=0.02):
            pytest.fail("entered")
    async with connect(finite(), server=DAPHNE) as events:
        assert events.status == 200
        assert "spec_version" not in events.scope["asgi"]


async def test_what_is_on_its_way_to_a_client_that_leaves_is_lost() -> None:
    paused = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        await body(send, b"data: lost\n\n")
        await disconnected(receive)

    async with connect(app) as events:
        events.pause(window=100)
        paused.set()
        await settle()
        events.disconnect()
        events.resume()
        assert events.raw == b""


async def test_a_disconnect_frees_a_send_that_waits() -> None:
    paused = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await paused.wait()
        await body(send, b"data: lost\n\n")

    async with connect(app) as events:
        events.pause()
        paused.set()
        await events.blocked()
        events.disconnect()
        await events.returned()
        assert events.raw == b""


async def test_on_hypercorn_h2_a_disconnect_does_not_free_a_send_that_waits() -> None:
    paused = anyio.Event()
    freed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def stream() -> None:
            await body(send, b"data: lost\n\n")
            freed.append(True)

        await start(send)
        await paused.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream)
            await disconnected(receive)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    async with connect(app, server=HYPERCORN_H2) as events:
        events.pause()
        paused.set()
        await events.blocked()
        events.disconnect()
        await events.returned()
    assert freed == []


async def test_break_send_raises_while_receive_is_silent() -> None:
    app = Ticker()
    async with connect(app) as events:
        await events.receive()
        events.break_send()
        await events.returned()
        assert isinstance(events.error, BaseExceptionGroup)
        assert events.error.subgroup(OSError) is not None
        assert app.closed


async def test_break_send_frees_a_send_that_waits_and_raises_what_it_is_given() -> None:
    error = BrokenPipeError("gone")
    async with connect(finite(b"data: a\n\n" * 10), window=1) as events:
        await events.blocked()
        events.break_send(error)
        await events.returned()
        assert events.error is error
        await events.receive()


async def test_a_send_hook_sees_every_message_and_may_raise() -> None:
    seen = []

    async def third_fails(number: int, message: Message) -> None:
        seen.append((number, message["type"].rpartition(".")[2]))
        if number == 3:
            raise ConnectionResetError

    async with connect(finite(b"data: a\n\n", b"data: b\n\n"), on_send=third_fails) as events:
        assert (await events.receive()).data == "a"
        with pytest.raises(BodyTruncated, match=r"raised ConnectionResetError\(\)"):
            await events.receive()
        assert isinstance(events.error, ConnectionResetError)
    assert seen == [(1, "start"), (2, "body"), (3, "body")]


async def test_a_send_hook_may_wait_for_ever() -> None:
    app = Ticker()

    async def second_hangs(number: int, message: Message) -> None:
        if number == 2:
            await anyio.sleep_forever()

    async with connect(app, on_send=second_hangs) as events:
        assert events.raw == b""
    assert app.closed


async def test_a_receive_hook_may_raise_or_make_up_a_message() -> None:
    async def hook(number: int) -> Message | None:
        if number == 1:
            return {"type": "http.request", "body": b"made up", "more_body": False}
        if number == 3:
            raise RuntimeError("third")
        return None

    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            received.append((await receive()).get("body"))

    async with connect(app, on_receive=hook, body=b"real") as events:
        await events.returned()
        assert isinstance(events.error, RuntimeError)
    assert received == [b"made up", b"real"]


async def test_the_error_of_a_hook_before_the_response_is_raised_by_connect() -> None:
    async def first_fails(number: int, message: Message) -> None:
        raise ConnectionResetError("at once")

    with pytest.raises(ConnectionResetError, match="at once"):
        async with connect(finite(), on_send=first_fails):
            pytest.fail("entered")


async def test_cancel_is_what_a_stopping_server_does_and_send_still_works() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                await body(send, b"data: farewell\n\n")
                await body(send, b"", more=False)

    async with connect(app) as events:
        events.cancel()
        assert [event.data async for event in events] == ["farewell"]
        await events.returned()
        assert events.error is None


async def test_a_cancelled_app_that_says_nothing_breaks_the_body_off() -> None:
    app = Ticker()
    async with connect(app) as events:
        events.cancel()
        with pytest.raises(BodyTruncated, match="app: was cancelled"):
            await events.closed()
    assert app.cancelled


async def test_an_app_that_was_cancelled_before_it_ran_is_done() -> None:
    ran = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ran.append(True)
        await endless()(scope, receive, send)

    async with connect(app) as events:
        events.disconnect()
        events.cancel()
        await events.returned()
    assert ran == [True]


async def test_reconnect_asks_again_with_the_last_event_id() -> None:
    app = Ticker()
    async with connect(app, "/ticks?x=1", headers={"x": "y"}) as events:
        await events.receive()
        assert (await events.receive()).id == "1"
        await events.reconnect()
        assert app.scopes[0]["path"] == app.scopes[1]["path"] == "/ticks"
        assert (b"x", b"y") in app.scopes[1]["headers"]
        assert (b"last-event-id", b"1") in app.scopes[1]["headers"]
        assert (await events.receive()).id == "2"
        await events.reconnect("40")
        assert (await events.receive()).id == "41"
        await events.reconnect("")
        assert (await events.receive()).id == "0"
    assert len(app.scopes) == 4
    assert b"last-event-id" not in dict(app.scopes[3]["headers"])


async def test_reconnect_keeps_id_and_reconnection_time_and_replaces_the_header() -> None:
    blocks = [b"retry: 9\nid: 5\n\n", b""]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await endless(blocks.pop(0))(scope, receive, send)

    async with connect(app, headers={"Last-Event-ID": "4"}) as events:
        assert (b"last-event-id", b"4") in events.scope["headers"]
        await events.reconnect()
        assert [v for k, v in events.scope["headers"] if k == b"last-event-id"] == [b"5"]
        assert events.retry == 9
        assert events.last_event_id == "5"
        assert events.raw == b""


async def test_a_websocket_handshake_can_be_denied_with_a_response() -> None:
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "websocket.http.response" in scope["extensions"]
        received.append(await receive())
        response = "websocket.http.response"
        head = {"status": 403, "headers": [(b"content-type", b"text/plain")]}
        await send({"type": f"{response}.start", **head})
        await send({"type": f"{response}.body", "body": b"no"})
        received.append(await receive())

    async with connect(app, scope_type="websocket", scheme="https") as events:
        assert events.status == 403
        assert await events.text() == "no"
        assert events.scope["type"] == "websocket"
        assert events.scope["scheme"] == "wss"
        assert "method" not in events.scope
        assert (b"upgrade", b"websocket") in events.scope["headers"]
    assert [message["type"] for message in received] == [
        "websocket.connect",
        "websocket.disconnect",
    ]
    assert received[1]["code"] == 1006


async def test_a_websocket_handshake_can_be_denied_by_closing() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 1000})

    async with connect(app, scope_type="websocket") as events:
        assert events.status == 403
        assert await events.body() == b""


async def test_a_websocket_that_is_accepted_is_no_response() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    with pytest.raises(ASGIViolation, match=r"websocket\.accept was sent"):
        async with connect(app, scope_type="websocket"):
            pytest.fail("entered")
