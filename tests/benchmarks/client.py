"""The load: a client of raw sockets that costs as little as it can."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["idle_connections", "open_stream", "read_all", "read_first", "read_head"]

REQUEST = (
    b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n"
)
TIMEOUT = 30.0
FIRST_EVENT = b"data: "
HEAD_END = b"\r\n\r\n"


def open_stream(port: int) -> socket.socket:
    """Connect and ask for the stream."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(REQUEST)
    return connection


def read_head(connection: socket.socket) -> None:
    """Read the head of the response, and what came with it."""
    _read_until(connection, HEAD_END)


def _read_event(connection: socket.socket) -> None:
    _read_until(connection, FIRST_EVENT)


def _read_until(connection: socket.socket, expected: bytes) -> None:
    received = b""
    while expected not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError(f"the response ended before {expected!r}: {received!r}")
        received += chunk


def read_first(port: int) -> None:
    """Connect, read as far as the first event, and leave."""
    with open_stream(port) as connection:
        _read_event(connection)


def read_all(port: int) -> int:
    """Connect, read the whole response, and return the number of its bytes."""
    buffer, size = bytearray(1 << 20), 0
    with open_stream(port) as connection:
        while count := connection.recv_into(buffer):
            size += count
    return size


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Hold ``count`` connections in the block, each of which has had its first event."""
    with ExitStack() as stack:
        for _ in range(count):
            _read_event(stack.enter_context(open_stream(port)))
        yield
