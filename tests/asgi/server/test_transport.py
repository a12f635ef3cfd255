"""The connection of a client that has stopped reading is closed where it can be found."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute

from sse_asgi import EventStream, drain
from sse_asgi.asgi.server.transport import abort_connection
from sse_asgi.testing import VirtualClock, settle
from tests.harness import Peer, serving


class Transport:
    """A transport that counts how often it is aborted."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


class RequestResponseCycle:
    """uvicorn's: its ``send`` is what the app gets."""

    __module__ = "uvicorn.protocols.http.h11_impl"

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    async def send(self, message: Any) -> None:
        """Take a message."""


class Stage:
    """One of hypercorn's: it passes on to the next one's method."""

    __module__ = "hypercorn.protocol"

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    async def handle(self, event: Any) -> None:
        """Take an event."""

    async def app_send(self, message: Any) -> None:
        """Take a message: this is what the app gets."""


class HTTPStream(Stage):
    """One request and its response."""

    __module__ = "hypercorn.protocol.http_stream"


class H11Protocol(Stage):
    """HTTP/1.1: one connection, one stream at a time."""

    __module__ = "hypercorn.protocol.h11"


class H2Protocol(Stage):
    """HTTP/2: the connection carries other streams, too."""


class Middleware:
    """An object that wraps ``send`` and keeps it."""

    def __init__(self, send: Any) -> None:
        self.send = send

    async def send_on(self, message: Any) -> None:
        """Take a message."""


class Callable:
    """An object that is itself the ``send`` which wraps another."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, message: Any) -> None:
        """Take a message."""


def wrapped_in_a_closure(send: Any) -> Any:
    async def wrapper(message: Any) -> None:
        await send(message)

    return wrapper


def wrapped_beside_an_empty_cell(send: Any) -> Any:
    later: Any = None

    async def wrapper(message: Any) -> None:
        await send(message)
        later()  # noqa: F821

    del later
    return wrapper


WRAPPERS: list[Any] = [
    lambda send: send,
    wrapped_in_a_closure,
    wrapped_beside_an_empty_cell,
    lambda send: partial(lambda send, message: send(message), send),
    lambda send: partial(lambda message, inner: inner(message), inner=send),
    lambda send: Middleware(send).send_on,
    Callable,
    lambda send: Callable(Callable(Middleware(Callable(wrapped_in_a_closure(send))).send_on)),
    lambda send: wrapped_in_a_closure(partial(Middleware(wrapped_in_a_closure(send)).send_on)),
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_uvicorn_s_transport_is_aborted_through_any_wrapper(wrap: Any) -> None:
    transport = Transport()
    assert abort_connection(wrap(RequestResponseCycle(transport).send))
    assert transport.aborted == 1


def hypercorn_send(protocol: type[Stage], **server: Any) -> Any:
    tcp_server = Stage(**server)
    return HTTPStream(send=protocol(send=tcp_server.handle).handle).app_send


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_hypercorn_s_connection_of_http_1_is_aborted_through_any_wrapper(wrap: Any) -> None:
    transport = Transport()
    send = hypercorn_send(H11Protocol, writer=SimpleNamespace(transport=transport))
    assert abort_connection(wrap(send))
    assert transport.aborted == 1


def test_hypercorn_s_connection_of_http_2_is_left_to_its_other_streams() -> None:
    transport = Transport()
    send = hypercorn_send(H2Protocol, writer=SimpleNamespace(transport=transport))
    assert not abort_connection(send)
    assert not transport.aborted


class AnycornStage(Stage):
    """One of anycorn's, which is made like hypercorn."""

    __module__ = "anycorn.protocol"


@pytest.mark.parametrize("name", ["H11Protocol", "H2Protocol"])
def test_anycorn_s_socket_is_shut_down_unless_it_carries_other_streams(name: str) -> None:
    def named(kind: str, **attributes: Any) -> Any:
        return type(kind, (AnycornStage,), {"__module__": "anycorn.protocol"})(**attributes)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        attributes = {SocketAttribute.raw_socket: lambda: ours}
        stream = SimpleNamespace(extra=lambda attribute: attributes[attribute]())
        server = named("TCPServer", stream=stream)
        send = named("HTTPStream", send=named(name, send=server.handle).handle).app_send
        theirs.setblocking(False)
        if name == "H11Protocol":
            assert abort_connection(send)
            assert theirs.recv(1) == b""
        else:
            assert not abort_connection(send)
            with pytest.raises(BlockingIOError):
                theirs.recv(1)


class ASGIProtocol:
    """gunicorn's: the ``send`` that the app gets is a function inside of its method."""

    __module__ = "gunicorn.asgi.protocol"

    def __init__(self, transport: Transport, h2_conn: object = None) -> None:
        self.transport = transport
        self._h2_conn = h2_conn

    def make_send(self) -> Any:
        """Return what the app gets."""

        async def send(message: Any) -> None:
            self.transport.abort()

        return send


def test_gunicorn_s_transport_is_aborted_unless_it_carries_other_streams() -> None:
    transport = Transport()
    assert abort_connection(ASGIProtocol(transport).make_send())
    assert transport.aborted == 1
    assert not abort_connection(ASGIProtocol(transport, object()).make_send())
    assert transport.aborted == 1


@pytest.mark.needs("trio")
def test_hypercorn_s_connection_on_trio_is_closed() -> None:
    import trio
    import trio.testing

    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        assert abort_connection(hypercorn_send(H11Protocol, stream=ours))
        with trio.fail_after(5):
            assert await theirs.receive_some() == b""

    trio.run(main)


class Statistics:
    """A client of the application's own, which keeps its transport as uvicorn does."""

    def __init__(self) -> None:
        self.transport = Transport()

    def count(self) -> None:
        """Count a message."""


def test_transport_of_a_stranger_is_left_alone() -> None:
    strange, ours = Statistics(), Transport()
    count, send = strange.count, RequestResponseCycle(ours).send

    async def counting_send(message: Any) -> None:
        count()
        await send(message)

    assert abort_connection(counting_send)
    assert ours.aborted == 1
    assert not abort_connection(strange.count)
    assert strange.transport.aborted == 0


def test_connection_is_found_behind_receive_where_send_leads_nowhere() -> None:
    transport = Transport()
    cycle = RequestResponseCycle(transport)
    assert abort_connection(bare_send, wrapped_in_a_closure(cycle.send))
    assert transport.aborted == 1


async def bare_send(message: Any) -> None:
    """Take a message."""


class Unfriendly:
    """Fails at every question."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    async def __call__(self, message: Any) -> None:
        """Take a message."""


def endless() -> Any:
    async def wrapper(message: Any) -> None:
        await wrapper(message)

    return wrapper


@pytest.mark.parametrize(
    "make",
    [
        lambda: bare_send,
        endless,
        Unfriendly,
        lambda: Unfriendly().__call__,
        lambda: Middleware(None).send_on,
        lambda: None,
    ],
)
def test_unknown_send_is_let_be(make: Any) -> None:
    assert not abort_connection(make())


def test_transport_that_cannot_be_aborted_is_no_error() -> None:
    assert not abort_connection(RequestResponseCycle(SimpleNamespace(abort=None)).send)
    broken = SimpleNamespace(abort=lambda: 1 / 0)
    assert not abort_connection(RequestResponseCycle(broken).send)


class Server(Peer, RequestResponseCycle):
    """A peer with a transport, as uvicorn's cycle has it."""

    def __init__(self, **options: Any) -> None:
        Peer.__init__(self, **options)
        self.transport: Any = Transport()


async def content() -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def hang(number: int) -> None:
    if number == 3:
        await anyio.sleep_forever()


@pytest.mark.anyio
async def test_connection_of_a_client_that_takes_no_farewell_is_aborted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_asgi.asgi.session.session.FAREWELL_TIMEOUT", 0.02)
    server = Server(on_send=hang)
    async with serving(EventStream(content), server) as served:
        await settle()
        drain()
        await served.returned()
    assert server.transport.aborted == 1


@pytest.mark.anyio
async def test_connection_of_a_slow_client_is_aborted_and_nobody_else_s() -> None:
    slow, quick = Server(on_send=hang), Server()
    with VirtualClock() as clock:
        stream = EventStream(content, ping=5, send_timeout=4)
        async with serving(stream, slow) as served, serving(stream, quick) as other:
            await clock.advance(9)
            await served.returned()
            assert slow.transport.aborted == 1
            assert not other.task.done
    assert quick.transport.aborted == 0
