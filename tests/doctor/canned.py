"""Servers that answer each request with bytes that the test has made, right or wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["STREAM", "answering", "dripping"]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"

TIMEOUT = 10.0


@contextmanager
def answering(answer: Callable[[str], bytes]) -> Iterator[str]:
    """Serve what ``answer`` makes of the head of a request; yield the server's URL.

    The connection is closed after the bytes, unless they are none: then nothing is ever sent.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        open_connections: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    open_connections.append(connection)
                    connection.settimeout(TIMEOUT)
                    head = b""
                    while not head.endswith(b"\r\n\r\n") and (data := connection.recv(65536)):
                        head += data
                    body = answer(head.decode("latin-1"))
                    connection.sendall(body)
                    if body:
                        connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in open_connections:
                connection.close()
            thread.join(TIMEOUT)
            assert not thread.is_alive()


@contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """Serve one request with ``start``, then ``drop`` again and again; yield the server's URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)

        def serve() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                connection.sendall(start)
                while not over.wait(0.05):
                    connection.sendall(drop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join(TIMEOUT)
            assert not thread.is_alive()
