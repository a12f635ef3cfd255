"""The client for test suites that are not asynchronous."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import get_type_hints

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from sse_asgi import Connection, EventSourceApp
from sse_asgi.testing import (
    AppLeaked,
    BodyTruncated,
    ConnectOptions,
    EventClient,
    StreamEnded,
    StreamTimeout,
    SyncEventClient,
    VirtualClock,
    connect,
    connect_sync,
    lifespan,
)

from .apps import Receive, Scope, Send, Ticker, endless, finite, start
from .test_lifespan import App

backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@backends
def test_receive_returns_each_event_of_an_endless_stream(backend: str) -> None:
    app = Ticker()
    with connect_sync(app, "/ticks", backend=backend, last_event_id="4") as events:
        assert events.status == 200
        assert events.headers["content-type"] == "text/event-stream"
        assert events.scope["path"] == "/ticks"
        assert [events.receive().id, events.receive().id] == ["5", "6"]
        assert events.last_event_id in ("6", *[event.id for event in events.pending])
        events.reconnect("10")
        assert events.receive().id == "11"
        events.disconnect()
        events.returned()
        assert app.closed


@backends
def test_iteration_ends_with_the_body(backend: str) -> None:
    app = finite(b"retry: 9\ndata: a\n\n", b": ping\n\n", b"data: b\n\n")
    with connect_sync(app, backend=backend) as events:
        assert [event.data for event in events] == ["a", "b"]
        events.closed()
        assert events.body() == events.raw == b"".join(events.chunks)
        assert events.text().startswith("retry: 9")
        assert (events.retry, events.comments, events.error) == (9, ("ping",), None)
        with pytest.raises(StreamEnded):
            events.receive()


@backends
def test_faults_on_demand(backend: str) -> None:
    with connect_sync(Ticker(), backend=backend) as events:
        events.receive()
        events.pause()
        events.blocked()
        events.resume()
        events.receive()
        events.break_send(OSError("mine"))
        events.returned()
        assert "mine" in repr(events.error)
    with connect_sync(endless(), backend=backend) as events:
        events.cancel()
        with pytest.raises(BodyTruncated):
            events.closed()


@backends
def test_timeouts_are_bounded(backend: str) -> None:
    with connect_sync(endless(), backend=backend, timeout=0.02) as events:
        with pytest.raises(StreamTimeout, match="no event within"):
            events.receive()
        with pytest.raises(StreamTimeout, match="no event within"):
            events.receive(timeout=0.01)


@backends
def test_the_test_s_own_exception_leaves_the_block_as_itself(backend: str) -> None:
    app = Ticker()
    with pytest.raises(LookupError), connect_sync(app, backend=backend):
        raise LookupError
    assert app.closed


@backends
def test_what_the_app_does_wrong_comes_as_itself(backend: str) -> None:
    async def raises(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def leaks(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await anyio.sleep_forever()

    with pytest.raises(ZeroDivisionError), connect_sync(raises, backend=backend):
        pytest.fail("entered")
    with pytest.raises(AppLeaked), connect_sync(leaks, backend=backend, timeout=0.02):
        pass


async def silent(connection: Connection) -> AsyncIterator[str]:
    """Send one event and nothing more."""
    yield "hello"
    await anyio.sleep_forever()


@backends
def test_keep_alive_can_be_tested_without_waiting(backend: str) -> None:
    app = EventSourceApp(silent, ping=15)
    with connect_sync(app, backend=backend, clock=VirtualClock()) as events:
        assert events.receive().data == "hello"
        events.advance(45)
        assert len(events.comments) == 3
        assert events.receive_comment() == events.comments[0]


def test_there_is_nothing_to_advance_without_a_clock() -> None:
    with connect_sync(endless()) as events, pytest.raises(RuntimeError, match="no clock"):
        events.advance(1)


@backends
def test_streams_and_lifespan_can_share_an_event_loop(backend: str) -> None:
    app = App()
    with (
        start_blocking_portal(backend) as portal,
        portal.wrap_async_context_manager(lifespan(app)) as state,
        connect_sync(app, state=state, portal=portal) as first,
        connect_sync(app, state=state, portal=portal) as second,
    ):
        assert first.receive() == second.receive()
        assert second.scope["state"] == {"answer": 42}
    assert app.steps[-1] == "lifespan.shutdown"


def test_the_options_are_those_of_connect() -> None:
    parameters = inspect.signature(connect).parameters
    assert set(get_type_hints(ConnectOptions)) == set(parameters) - {"app", "path"}


def test_the_sync_client_has_whatever_the_client_has() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(SyncEventClient) == public(EventClient) | {"advance"}
