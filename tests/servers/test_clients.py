"""Clients that do not read, vanish or half-close: their own streams end, and nobody else's."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .configurations import Configuration, Protocol
from .harness import Server, each_configuration, serve
from .http2 import Http2Connection
from .response import TIMEOUT

APP = "tests.servers.ending_app:app"

READER = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"GET /ticking HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\n\\r\\n")
while connection.recv(65536):
    print("read", flush=True)
"""


MOST_GROWTH = 32 * 1024 * 1024
"""Bytes by which a flood to a client that does not read may make a worker grow."""

HANDSHAKE = (
    b"GET /plain HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(scope="module", params=each_configuration())
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    configuration: Configuration = request.param
    with serve(configuration, APP, tmp_path_factory.mktemp("clients")) as server:
        yield server


def wait_for_reasons(server: Server, number: int) -> list[str]:
    """Return why streams have ended, once so many have."""
    deadline = time.monotonic() + TIMEOUT
    while len(reasons := server.ask("/control/reasons").split()) < number:
        assert time.monotonic() < deadline, reasons
        time.sleep(0.02)
    return reasons


def swallows(configuration: Configuration) -> bool:
    """Tell whether ``send`` takes all for a stream whose window is full: see the canaries."""
    over_http2 = configuration.protocol is Protocol.HTTP2
    return over_http2 and configuration.server in ("hypercorn", "uvicorn")


def peak_of(server: Server) -> int:
    """Return the most memory that the worker has used, in bytes."""
    return int(server.ask("/control/peak")) * 1024


def ask_to_flood(server: Server, path: str = "/flood") -> socket.socket:
    """Request more than any buffer holds, see that it begins to come, and read nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.process.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    # A server that has not read the request yet may never see a client that leaves now.
    client.settimeout(TIMEOUT)
    assert client.recv(1, socket.MSG_PEEK)
    return client


def test_client_that_is_killed_is_gone(server: Server) -> None:
    if server.configuration.protocol is not Protocol.HTTP1:
        return  # the reader below speaks HTTP/1.1
    before = len(server.ask("/control/reasons").split())
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(server.process.port)], stdout=subprocess.PIPE
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"read\n"
        reader.send_signal(signal.SIGKILL)
    assert wait_for_reasons(server, before + 1)[before:] == ["CLIENT_GONE"]


def test_client_that_has_closed_its_half_is_gone(server: Server) -> None:
    if server.configuration.protocol is not Protocol.HTTP1:
        return
    before = len(server.ask("/control/reasons").split())
    with socket.create_connection(("127.0.0.1", server.process.port), TIMEOUT) as client:
        client.sendall(b"GET /ticking HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert client.recv(65536)
        client.shutdown(socket.SHUT_WR)
        assert wait_for_reasons(server, before + 1)[before:] == ["CLIENT_GONE"]


def test_websocket_handshake_is_denied_with_one_whole_response(server: Server) -> None:
    if server.configuration.protocol is not Protocol.HTTP1:
        return  # a handshake is another one there (RFC 8441)
    with socket.create_connection(("127.0.0.1", server.process.port), TIMEOUT) as client:
        client.sendall(HANDSHAKE)
        status = client.makefile("rb").readline().split()[1]
    assert status in (b"400", b"403")
    assert server.ask("/control/reasons") is not None
    assert "Traceback" not in server.process.log


def test_200_clients_that_come_and_go_leave_nothing(server: Server) -> None:
    for _ in range(20):
        visit(server)
    objects, threads = size(server)
    for _ in range(200):
        visit(server)
    deadline, pause = time.monotonic() + 2 * TIMEOUT, 0.05
    while True:
        # The last ones may still be on their way out. gunicorn keeps each connection of HTTP/2 for
        # a second or two, those of these looks as well, so they become rare.
        objects_now, threads_now = size(server)
        if objects_now < objects + 400 and threads_now <= threads:
            return
        assert time.monotonic() < deadline, (objects, objects_now, threads, threads_now)
        time.sleep(pause)
        pause *= 2


def visit(server: Server) -> None:
    """Read one event and leave."""
    with server.connect() as connection:
        assert connection.get("/ticking").read_event() is not None


def size(server: Server) -> tuple[int, int]:
    """Return how many objects and threads the worker has."""
    objects, threads = map(int, server.ask("/control/size").split())
    return objects, threads


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.protocol is Protocol.HTTP1),
)
def test_client_that_does_not_read_is_ended_and_its_neighbour_is_not(
    configuration: Configuration, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server, server.connect() as connection:
        neighbour, peak = connection.get("/ticking"), peak_of(server)
        with ask_to_flood(server):
            deadline = time.monotonic() + TIMEOUT
            while "SLOW_CLIENT" not in server.process.log:
                # Each of these waits less than the slow client's send_timeout.
                event = neighbour.read_event(timeout=0.4)
                assert event is not None
                assert time.monotonic() < deadline, server.process.log
            assert server.ask("/control/reasons") == "SLOW_CLIENT"
            assert peak_of(server) < peak + MOST_GROWTH
            server.process.signal(signal.SIGTERM)
            if configuration.server == "granian":
                # It waits for that client to read, and no application can do anything about it:
                # when this fails, granian has been mended, and the README's table with it.
                with pytest.raises(TimeoutError):
                    server.process.wait(2)
            else:
                server.process.wait(4)


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.protocol is Protocol.HTTP2),
)
def test_stream_that_is_not_read_is_ended_and_its_sibling_on_the_connection_is_not(
    configuration: Configuration, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server, server.connect() as connection:
        assert isinstance(connection, Http2Connection)
        sibling, peak = connection.get("/ticking"), peak_of(server)
        connection.starve(connection.get("/flood"))
        deadline = time.monotonic() + TIMEOUT
        while "SLOW_CLIENT" not in server.process.log:
            assert sibling.read_event(timeout=0.4) is not None
            assert time.monotonic() < deadline, server.process.log
        assert server.ask("/control/reasons") == "SLOW_CLIENT"
        assert peak_of(server) < peak + MOST_GROWTH
        for _ in range(20):
            assert sibling.read_event(timeout=0.4) is not None
        assert connection.get("/ticking").read_event() is not None


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.protocol is Protocol.HTTP3),
)
def test_connection_of_quic_that_is_not_read_is_ended_and_its_neighbour_is_not(
    configuration: Configuration, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server, server.connect() as connection:
        neighbour, peak = connection.get("/ticking"), peak_of(server)
        with server.connect() as slow:
            assert slow.get("/flood").read_piece()
            deadline = time.monotonic() + TIMEOUT
            while "SLOW_CLIENT" not in server.process.log:
                assert neighbour.read_event(timeout=0.4) is not None
                assert time.monotonic() < deadline, server.process.log
            assert server.ask("/control/reasons") == "SLOW_CLIENT"
            assert peak_of(server) < peak + MOST_GROWTH
        for _ in range(20):
            assert neighbour.read_event(timeout=0.4) is not None
        assert "Traceback" not in server.process.log


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.protocol is Protocol.HTTP3),
)
@pytest.mark.parametrize("leaves", ["stream", "connection"])
def test_next_event_over_quic_finds_that_its_client_has_left(
    configuration: Configuration, leaves: str, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        with server.connect() as connection:
            response = connection.get("/ticking")
            assert response.read_event() is not None
            if leaves == "stream":
                connection.cancel(response)
                assert wait_for_reasons(server, 1) == ["CLIENT_GONE"]
        assert wait_for_reasons(server, 1) == ["CLIENT_GONE"]
        assert "Traceback" not in server.process.log


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.protocol is Protocol.HTTP1),
)
@pytest.mark.parametrize("reason", ["SLOW_CLIENT", "CLIENT_GONE"])
def test_scope_that_is_open_across_a_yield_harms_no_server(
    configuration: Configuration, reason: str, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server, server.connect() as connection:
        neighbour = connection.get("/ticking")
        client = ask_to_flood(server, "/grouped")
        with client:
            deadline = time.monotonic() + TIMEOUT
            while f"stream ended: {reason}" not in server.process.log:
                assert neighbour.read_event(timeout=2) is not None
                assert time.monotonic() < deadline, server.process.log
                if reason == "CLIENT_GONE":
                    client.close()
        for _ in range(20):
            assert neighbour.read_event(timeout=2) is not None
        assert server.process.returncode is None
        assert "Traceback" not in server.process.log
