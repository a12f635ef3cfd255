"""Apps that raise or leak, and tests that fail: what leaves the block."""

from __future__ import annotations

import anyio
import pytest

from sse_asgi.testing import AppLeaked, BodyTruncated, StreamEnded, StreamTimeout, connect

from .apps import Receive, Scope, Send, Ticker, body, disconnected, endless, finite, start

pytestmark = pytest.mark.anyio


class Oops(Exception):
    """What the apps here raise."""


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise Oops("at once")


async def raises_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"data: a\n\n")
    raise Oops("midway")


async def raises_after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await finite(b"data: a\n\n")(scope, receive, send)
    raise Oops("after the end")


async def raises_when_left(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await disconnected(receive)
    raise Oops("when left")


async def never_returns(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await anyio.sleep_forever()


async def test_an_error_before_the_response_comes_from_connect() -> None:
    with pytest.raises(Oops, match="at once"):
        async with connect(raises_at_once):
            pytest.fail("entered")


async def test_an_error_before_the_response_is_a_500_on_demand() -> None:
    async with connect(raises_at_once, raise_app_exceptions=False) as events:
        assert events.status == 500
        assert await events.text() == "Internal Server Error"
        assert isinstance(events.error, Oops)


async def test_an_error_midway_comes_from_receive_after_the_events() -> None:
    async with connect(raises_midway) as events:
        assert (await events.receive()).data == "a"
        with pytest.raises(Oops, match="midway"):
            await events.receive()
        with pytest.raises(BodyTruncated, match="raised Oops"):
            await events.receive()


@pytest.mark.parametrize("wait", ["closed", "body", "returned"])
async def test_an_error_midway_comes_from_every_wait(wait: str) -> None:
    async with connect(raises_midway) as events:
        with pytest.raises(Oops):
            await getattr(events, wait)()


async def test_an_error_midway_breaks_the_body_off_on_demand() -> None:
    async with connect(raises_midway, raise_app_exceptions=False) as events:
        assert (await events.receive()).data == "a"
        with pytest.raises(BodyTruncated, match="app: raised Oops"):
            await events.receive()
        assert isinstance(events.error, Oops)


async def test_an_error_that_nothing_waited_for_comes_from_leaving() -> None:
    with pytest.raises(Oops, match="when left"):
        async with connect(raises_when_left):
            pass


async def test_an_error_after_the_end_does_not_spoil_the_body() -> None:
    with pytest.raises(Oops, match="after the end"):
        async with connect(raises_after_the_end) as events:
            assert [event.data async for event in events] == ["a"]
            await events.closed()
            with pytest.raises(StreamEnded):
                await events.receive()


async def test_reconnect_raises_what_the_first_request_left() -> None:
    async with connect(raises_when_left) as events:
        with pytest.raises(Oops):
            await events.reconnect()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_exit_in_the_app_leaves_the_test(error: type[BaseException]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(error):
        async with connect(app, raise_app_exceptions=False):
            pytest.fail("entered")


async def test_the_test_s_own_exception_leaves_the_block_as_itself() -> None:
    app = Ticker()
    error = LookupError("in the test")
    with pytest.raises(LookupError) as raised:
        async with connect(app) as events:
            await events.receive()
            raise error
    assert raised.value is error
    assert not hasattr(error, "__notes__")
    assert app.closed


async def test_the_test_s_own_exception_has_a_note_about_the_app_s() -> None:
    with pytest.raises(LookupError) as raised:
        async with connect(raises_when_left):
            raise LookupError
    assert raised.value.__notes__ == ["Afterwards, too: Oops: when left"]


async def test_an_app_error_that_leaves_the_test_comes_once() -> None:
    with pytest.raises(Oops) as raised:
        async with connect(raises_midway) as events:
            async for _ in events:
                pass
    assert not hasattr(raised.value, "__notes__")


async def test_an_app_that_does_not_return_is_a_leak() -> None:
    with pytest.raises(AppLeaked) as raised:
        async with connect(never_returns, timeout=0.02):
            pass
    message = str(raised.value)
    assert "did not return within 0.02 s after http.disconnect" in message
    assert "it ended when it was cancelled" in message
    assert "test_failures.py:" in message
    assert "in never_returns" in message


async def test_an_app_that_is_not_left_is_no_leak_but_returned_tells() -> None:
    async with connect(endless()) as events:
        with pytest.raises(AppLeaked, match="it waits at"):
            await events.returned(timeout=0.01)


async def test_an_app_that_ignores_its_cancellation_is_left_behind() -> None:
    release = anyio.Event()
    ended = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        with anyio.CancelScope(shield=True):
            while not release.is_set():
                try:
                    await release.wait()
                except anyio.get_cancelled_exc_class():  # asyncio's native cancellation
                    continue
        ended.set()

    with pytest.raises(AppLeaked, match="it ignored its cancellation, too"):
        async with connect(app, timeout=0.02):
            pass
    release.set()
    with anyio.fail_after(5):
        await ended.wait()


async def test_an_app_that_sends_for_ever_after_the_disconnect_is_a_leak() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await body(send, b"data: a\n\n")

    with pytest.raises(AppLeaked):
        async with connect(app, timeout=0.05) as events:
            await events.receive()


async def test_an_app_that_receives_for_ever_after_the_disconnect_is_a_leak() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await receive()

    with pytest.raises(AppLeaked):
        async with connect(app, timeout=0.05):
            pass


async def test_a_leak_is_noted_on_the_test_s_own_exception() -> None:
    with pytest.raises(LookupError) as raised:
        async with connect(never_returns, timeout=0.02):
            raise LookupError
    assert "AppLeaked" in raised.value.__notes__[0]


async def test_a_leak_is_not_lost_in_a_cancellation() -> None:
    with pytest.raises(AppLeaked):
        with anyio.move_on_after(0.02):
            async with connect(never_returns, timeout=0.02) as events:
                await events.receive(timeout=10)


async def test_a_cancelled_test_leaves_and_the_app_returns() -> None:
    app = Ticker()
    with anyio.move_on_after(0.02) as scope:
        async with connect(app) as events:
            async for _ in events:
                pass
    assert scope.cancelled_caught
    assert app.closed


async def test_a_cancelled_entry_leaves_and_the_app_returns() -> None:
    closed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await disconnected(receive)
        finally:
            closed.append(True)

    with anyio.move_on_after(0.02) as scope:
        async with connect(app):
            pytest.fail("entered")
    assert scope.cancelled_caught
    assert closed == [True]


async def test_a_leak_at_the_entry_is_noted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with pytest.raises(StreamTimeout) as raised:
        async with connect(app, timeout=0.02):
            pytest.fail("entered")
    assert "AppLeaked" in raised.value.__notes__[0]


async def test_the_block_may_be_left_by_another_task() -> None:
    app = Ticker()
    client = connect(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.__aenter__)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.__aexit__, None, None, None)
    assert app.closed


async def test_several_clients_share_an_app() -> None:
    app = Ticker()
    async with connect(app) as first, connect(app) as second:
        assert (await first.receive()).id == (await second.receive()).id == "0"
