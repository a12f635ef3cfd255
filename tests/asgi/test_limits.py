"""How many streams an app has open, and what one too many gets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, Connection, EventSourceApp, Refusal, StreamSummary
from sse_asgi.asgi.limits import ConnectionLimits, client_address
from sse_asgi.testing import settle
from tests.harness import Peer, Served, only, serve, serving

pytestmark = pytest.mark.anyio


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


class Streams(AsyncExitStack):
    """Open streams of one app."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app

    async def open(self, **scope: Any) -> Served:
        served = await self.enter_async_context(serving(self._app, **scope))
        await settle()
        return served


def is_open(served: Served) -> bool:
    return not served.task.done and served.peer.body == b"data: a\n\n"


def is_refused(served: Served) -> bool:
    peer = served.peer
    return peer.ended and re.fullmatch(rb"retry: \d+\n\n", peer.body) is not None


async def test_one_too_many_is_told_to_come_back_and_nobody_is_evicted() -> None:
    app = EventSourceApp(waiting, max_connections=2, farewell_retry=(30, 40), headers={"x-a": "b"})
    async with Streams(app) as streams:
        first, second, third = [await streams.open() for _ in range(3)]
        assert is_open(first)
        assert is_open(second)
        assert is_refused(third)
        assert third.peer.status == 200
        assert third.peer.headers[b"content-type"] == b"text/event-stream"
        assert third.peer.headers[b"x-a"] == b"b"
        assert 30 <= int(third.peer.body.split()[1]) <= 40
        first.peer.leave()
        await first.returned()
        assert is_open(await streams.open())
        assert is_refused(await streams.open())


async def test_one_too_many_may_get_a_status_that_says_so() -> None:
    app = EventSourceApp(waiting, max_connections=1, when_full="503", farewell_retry=(1500, 1500))
    async with Streams(app) as streams:
        await streams.open()
        peer = (await streams.open()).peer
    assert peer.status == 503
    assert peer.headers[b"retry-after"] == b"2"
    assert peer.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert peer.body == b"Too many event streams are open"
    assert peer.ended


async def test_refused_client_is_told_when_to_come_back_though_others_are_not() -> None:
    app = EventSourceApp(waiting, max_connections=1, farewell_retry=None)
    async with Streams(app) as streams:
        await streams.open()
        assert 1000 <= int((await streams.open()).peer.body.split()[1]) <= 5000


async def test_each_client_has_its_own_room() -> None:
    app = EventSourceApp(waiting, max_connections_per_client=1)
    async with Streams(app) as streams:
        one = await streams.open(client=("10.0.0.1", 1))
        assert is_open(one)
        assert is_open(await streams.open(client=("10.0.0.2", 1)))
        assert is_refused(await streams.open(client=("10.0.0.1", 2)))
        one.peer.leave()
        await one.returned()
        assert is_open(await streams.open(client=("10.0.0.1", 3)))


async def test_clients_without_an_address_have_no_limit_each_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # As behind a Unix socket. A limit that all of them shared would shut most of them out.
    app = EventSourceApp(waiting, max_connections=4, max_connections_per_client=1)
    async with Streams(app) as streams:
        for _ in range(3):
            assert is_open(await streams.open(client=None))
        assert is_open(await streams.open(client=("10.0.0.1", 1)))
        assert is_refused(await streams.open(client=None))
    assert counts(app) == (0, 0)
    (message,) = [record.message for record in caplog.records]
    assert message.startswith("max_connections_per_client cannot tell clients apart")
    assert "client_key=" in message


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"Forwarded"])
async def test_proxy_that_the_server_does_not_trust_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture, header: bytes
) -> None:
    app = EventSourceApp(waiting, max_connections_per_client=1)
    async with Streams(app) as streams:
        for number in range(3):
            headers = [(header, b"for=192.0.2.%d" % number)]
            await streams.open(client=("127.0.0.1", number), headers=headers)
    (message,) = [record.message for record in caplog.records]
    assert "all that come through 127.0.0.1 count as one" in message


async def test_proxy_that_the_server_trusts_is_no_reason_to_complain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = EventSourceApp(waiting, max_connections_per_client=1)
    async with Streams(app) as streams:
        for _ in range(2):
            headers = [(b"x-forwarded-for", b"192.0.2.7")]
            await streams.open(client=("192.0.2.7", 0), headers=headers)
    assert caplog.records == []


async def test_key_of_none_is_a_key_if_the_function_is_the_user_s() -> None:
    app = EventSourceApp(waiting, max_connections_per_client=1, client_key=lambda c: None)
    async with Streams(app) as streams:
        assert is_open(await streams.open())
        assert is_refused(await streams.open())


async def test_both_limits_hold() -> None:
    app = EventSourceApp(waiting, max_connections=3, max_connections_per_client=2)
    async with Streams(app) as streams:
        for host in ("a", "a", "b"):
            assert is_open(await streams.open(client=(host, 1)))
        for host in ("a", "b", "c"):
            assert is_refused(await streams.open(client=(host, 1)))


async def test_client_may_be_told_by_something_else() -> None:
    app = EventSourceApp(
        waiting,
        max_connections_per_client=1,
        client_key=lambda connection: connection.headers.get("x-user"),
    )
    async with Streams(app) as streams:
        ann, bob = [(b"x-user", b"ann")], [(b"x-user", b"bob")]
        assert is_open(await streams.open(headers=ann))
        assert is_open(await streams.open(headers=bob))
        assert is_refused(await streams.open(headers=ann))


async def test_client_key_is_not_asked_for_without_a_limit_per_client() -> None:
    def fail(connection: Connection) -> str:
        raise AssertionError("asked")

    app = EventSourceApp(waiting, max_connections=5, client_key=fail)
    async with Streams(app) as streams:
        assert is_open(await streams.open())


def counts(app: EventSourceApp) -> tuple[int, int]:
    limits: Any = app._limits
    return limits.open, len(limits._open_by_client)


class Oops(Exception):
    """What the handlers of these tests raise."""


async def failing(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    raise Oops


def failing_at_once(connection: Connection) -> list[str]:
    if connection.path == "/":
        raise Oops
    return []


def refusing(connection: Connection) -> list[str]:
    raise Refusal(403)


@pytest.mark.parametrize("handler", [failing, failing_at_once, refusing, lambda c: ["a"]])
async def test_room_is_given_back_however_a_stream_ends(handler: Any) -> None:
    app = EventSourceApp(handler, max_connections=1, max_connections_per_client=1)
    for _ in range(3):
        try:
            await serve(app)
        except Oops:
            assert handler in (failing, failing_at_once)
        assert counts(app) == (0, 0)


@pytest.mark.parametrize("how", ["leave", "cancel", "drain", "head", "send"])
async def test_room_is_given_back_however_a_stream_is_ended(how: str) -> None:
    app = EventSourceApp(waiting, max_connections=1, max_connections_per_client=1)

    async def fail(number: int) -> None:
        if how == "send":
            raise RuntimeError("broken")

    for _ in range(3):
        peer = Peer(on_send=fail)
        method = "HEAD" if how == "head" else "GET"
        async with serving(app, peer, method=method) as served:
            await settle()
            assert counts(app) == ((1, 1) if how in ("leave", "cancel", "drain") else (0, 0))
            if how == "cancel":
                served.task.cancel()
            elif how == "drain":
                app.drain()
            else:
                peer.leave()
            try:
                await served.returned()
            except RuntimeError:
                assert how == "send"
        assert counts(app) == (0, 0)


async def test_client_key_that_fails_is_an_error_and_counts_nothing() -> None:
    def fail(connection: Connection) -> str:
        raise Oops

    for key, error in ((fail, Oops), (lambda connection: [], TypeError)):
        app = EventSourceApp(
            waiting,
            max_connections_per_client=1,
            client_key=key,  # type: ignore[arg-type]
        )
        with pytest.raises(error):
            await serve(app)
        assert counts(app) == (0, 0)


async def test_refused_stream_is_reported_as_refused() -> None:
    closed: list[StreamSummary] = []
    app = EventSourceApp(waiting, max_connections=1, on_close=closed.append)
    async with Streams(app) as streams:
        await streams.open()
        await streams.open()
        assert only(closed).reason is CloseReason.REFUSED
        assert only(closed).error is None


def test_address_of_a_client_that_has_none_is_none() -> None:
    connection: Any = type("Request", (), {"client": None})
    assert client_address(connection) is None
    connection.client = ("10.0.0.1", 5)
    assert client_address(connection) == "10.0.0.1"


def test_limits_start_at_zero() -> None:
    assert ConnectionLimits(1, 1, client_address, "retry").open == 0
