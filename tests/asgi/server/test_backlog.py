"""A server whose ``send`` never waits keeps a bounded number of bytes for a client."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi import CloseReason, EventStream, StreamSummary
from sse_asgi.asgi.server.backlog import MOST_UNSENT, BoundedSend, bounded
from tests.harness import http_scope

pytestmark = pytest.mark.anyio

PIECE = 65_536
STREAM = 4


@pytest.fixture(autouse=True)
def servers_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("daphne.http_protocol", "gunicorn.asgi.protocol"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


class Stage:
    """One of the server's own objects, whose attributes a test chooses."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    async def stream_send(self, event: Any) -> None:
        """Take an event, as the objects behind ``send`` do."""


class Server:
    """Keeps what it is sent, and never waits.

    :param make: returns the ``send`` of a server, for the buffer and for the real ``send``
    """

    def __init__(self, make: Callable[[Server], Any]) -> None:
        self.buffer = bytearray()
        self.has_left = False
        self.send = make(self)

    async def take(self, message: Any) -> None:
        """Keep the body of a message."""
        self.buffer += message.get("body", b"")


def of(module: str, name: str) -> type[Stage]:
    return type(name, (Stage,), {"__module__": module})


def hypercorn(protocol: Stage, server: Server, module: str = "hypercorn") -> Any:
    stream = of(f"{module}.protocol.http_stream", "HTTPStream")(
        send=protocol.stream_send, stream_id=STREAM
    )
    return wrapped(stream, server)


def wrapped(owner: object, server: Server) -> Any:
    """Return a ``send`` of the object, as middleware wraps it."""

    async def send(message: Any) -> None:
        assert owner is not None
        await server.take(message)

    return send


def hypercorn_h2(server: Server) -> Any:
    buffers = {STREAM: SimpleNamespace(buffer=server.buffer)}
    return hypercorn(of("hypercorn.protocol.h2", "H2Protocol")(stream_buffers=buffers), server)


class Quic:
    """A connection of aioquic's."""

    def __init__(self, server: Server) -> None:
        self._server = server
        sender = SimpleNamespace(_buffer=server.buffer, _reset_error_code=None)
        self._streams = {STREAM: SimpleNamespace(sender=sender)}

    @property
    def _close_event(self) -> object | None:
        return object() if self._server.has_left else None


def over_quic(module: str, server: Server) -> Any:
    protocol = of(f"{module}.protocol.h3", "H3Protocol")
    connection = SimpleNamespace(_quic=Quic(server))
    return hypercorn(protocol(connection=connection), server, module)


def uvicorn_h2(server: Server) -> Any:
    class Stream:
        @property
        def pending_bytes(self) -> int:
            return len(server.buffer)

    kind = of("uvicorn.protocols.http.zttp_h2_impl", "RequestResponseCycle")
    return wrapped(kind(stream=Stream()), server)


def daphne(server: Server) -> Any:
    transport = SimpleNamespace(dataBuffer=server.buffer, offset=0, _tempDataLen=0)
    request = of("daphne.http_protocol", "WebRequest")(channel=SimpleNamespace(transport=transport))

    async def handle_reply(request: Any, message: Any) -> None:
        await server.take(message)

    return partial(handle_reply, request)


def writelines(transport: Any, pieces: Any) -> None:
    """Write, and pause nobody, as asyncio did from Python 3.12.0 on."""


def writelines_and_pause(transport: Any, pieces: Any) -> None:
    transport._maybe_pause_protocol()


def gunicorn(server: Server, write: Any = writelines) -> Any:
    write.__module__ = "asyncio.selector_events"
    transport = type("Transport", (Stage,), {"writelines": write})(
        get_write_buffer_size=lambda: len(server.buffer)
    )
    protocol = of("gunicorn.asgi.protocol", "ASGIProtocol")(transport=transport)
    return wrapped(protocol, server)


SERVERS = [
    pytest.param(gunicorn, "1.1", id="gunicorn"),
    pytest.param(hypercorn_h2, "2", id="hypercorn-h2"),
    pytest.param(partial(over_quic, "hypercorn"), "3", id="hypercorn-h3"),
    pytest.param(partial(over_quic, "anycorn"), "3", id="anycorn-h3"),
    pytest.param(uvicorn_h2, "2", id="uvicorn-h2"),
    pytest.param(daphne, "1.1", id="daphne"),
]


async def flood() -> AsyncIterator[bytes]:
    while True:
        yield b"data: %b\n\n" % (b"x" * PIECE)


async def call(send: Any, message: Any) -> None:
    await send(message)


async def deaf() -> Any:
    await anyio.sleep_forever()


@pytest.mark.parametrize(("make", "version"), SERVERS)
async def test_client_that_reads_nothing_is_slow_and_costs_no_more_than_the_bound(
    make: Callable[[Server], Any], version: str
) -> None:
    server, summaries = Server(make), list[StreamSummary]()
    stream = EventStream(flood, send_timeout=0.1, on_close=summaries.append)
    with anyio.fail_after(5):
        await stream(http_scope(http_version=version), deaf, server.send)
    assert [summary.reason for summary in summaries] == [CloseReason.SLOW_CLIENT]
    assert MOST_UNSENT < len(server.buffer) < MOST_UNSENT + 3 * PIECE


@pytest.mark.parametrize(("make", "version"), SERVERS)
async def test_client_that_reads_again_gets_more(
    make: Callable[[Server], Any], version: str
) -> None:
    server = Server(make)
    send = bounded(server.send, http_scope(http_version=version))
    message = {"type": "http.response.body", "body": bytes(MOST_UNSENT + 1), "more_body": True}
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(call, send, message))
            while not server.buffer:
                await anyio.lowlevel.checkpoint()
            server.buffer.clear()
        await send({**message, "body": b"more"})
    assert server.buffer == b"more"


@pytest.mark.parametrize("module", ["hypercorn", "anycorn"])
async def test_client_of_quic_that_has_left_is_gone_at_the_next_event(module: str) -> None:
    server, summaries = Server(partial(over_quic, module)), list[StreamSummary]()

    async def content() -> AsyncIterator[str]:
        yield "one"
        server.has_left = True
        yield "two"

    stream = EventStream(content, on_close=summaries.append)
    with anyio.fail_after(5):
        await stream(http_scope(http_version="3"), deaf, server.send)
    assert [summary.reason for summary in summaries] == [CloseReason.CLIENT_GONE]
    assert b"one" in server.buffer
    assert b"two" not in server.buffer


async def test_quic_stream_that_both_sides_have_ended_is_gone() -> None:
    server = Server(daphne)
    quic = Quic(server)
    protocol = of("hypercorn.protocol.h3", "H3Protocol")
    raw = hypercorn(protocol(connection=SimpleNamespace(_quic=quic)), server)
    send = bounded(raw, http_scope(http_version="3"))
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    quic._streams.clear()
    with pytest.raises(BrokenPipeError):
        await send({"type": "http.response.body", "body": b"", "more_body": True})


@pytest.mark.parametrize("version", ["1.1", "2", "3"])
async def test_send_of_any_other_server_stays_as_it_is(version: str) -> None:
    async def send(message: Any) -> None:
        pass

    anycorn = of("anycorn.protocol.h2", "H2Protocol")()
    scope = http_scope(http_version=version, asgi={"version": "3.0", "spec_version": "2.3"})
    assert bounded(send, scope) is send
    for other in (hypercorn(anycorn, Server(daphne), "anycorn"), daphne):
        assert bounded(other, scope) is other


async def test_gunicorn_whose_transport_pauses_it_is_left_alone() -> None:
    send = gunicorn(Server(daphne), writelines_and_pause)
    assert bounded(send, http_scope()) is send
    joined = type("Transport", (Stage,), {"writelines": lambda transport, pieces: None})()
    protocol = of("gunicorn.asgi.protocol", "ASGIProtocol")(transport=joined)
    send = wrapped(protocol, Server(daphne))
    assert bounded(send, http_scope()) is send


@pytest.mark.parametrize("module", ["hypercorn", "anycorn"])
async def test_server_whose_insides_have_changed_is_left_alone(module: str) -> None:
    server = Server(partial(over_quic, module))
    protocol = of(f"{module}.protocol.h3", "H3Protocol")()
    send = hypercorn(protocol, server, module)
    assert bounded(send, http_scope(http_version="3")) is send


async def test_count_that_fails_is_none() -> None:
    server = Server(hypercorn_h2)
    send = bounded(server.send, http_scope(http_version="2"))
    assert isinstance(send, BoundedSend)
    send._peer._unsent = lambda: 1 // 0
    with anyio.fail_after(5):
        body = {"type": "http.response.body", "body": bytes(MOST_UNSENT * 2), "more_body": True}
        await send(body)
