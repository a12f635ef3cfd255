"""The load: a client of raw sockets that costs as little as it can."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["idle_connections", "read_all", "read_first"]

REQUEST = (
    b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n"
)
TIMEOUT = 30.0
FIRST_EVENT = b"data: "


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(REQUEST)
    return connection


def _read_event(connection: socket.socket) -> None:
    received = b""
    while FIRST_EVENT not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError(f"the response ended before its first event: {received!r}")
        received += chunk


def read_first(port: int) -> None:
    """Connect, read as far as the first event, and leave."""
    with _open(port) as connection:
        _read_event(connection)


def read_all(port: int) -> int:
    """Connect, read the whole response, and return the number of its bytes."""
    buffer, size = bytearray(1 << 20), 0
    with _open(port) as connection:
        while count := connection.recv_into(buffer):
            size += count
    return size


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Hold ``count`` connections in the block, each of which has had its first event."""
    with ExitStack() as stack:
        for _ in range(count):
            _read_event(stack.enter_context(_open(port)))
        yield
