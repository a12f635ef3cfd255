"""A network that breaks once, in the middle of an answer."""

from __future__ import annotations

import re
import select
import socket
import socketserver
import struct
import threading
from contextlib import suppress
from typing import Self

__all__ = ["CuttingProxy"]

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Passes on TCP to a port, and resets the first connection whose answers match a pattern.

    The client gets the bytes of the match and those before it, and no end of the response.
    """

    def __init__(self, target: int, pattern: bytes) -> None:
        self.target = target
        self.pattern = re.compile(pattern, re.DOTALL)
        self.cuts = 0
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """The address for clients, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.close_all()

    def pass_on(self, client: socket.socket) -> None:
        """Carry one connection until one of its ends closes it, or it is cut."""
        answers = b""
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    if not (data := source.recv(65536)):
                        return
                    if source is client:
                        server.sendall(data)
                        continue
                    found = self.pattern.search(answers + data)
                    if found and not self.cuts:
                        self.cuts += 1
                        client.sendall(data[: found.end() - len(answers)])
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                        return
                    answers += data
                    client.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    """Serves each connection in a thread, and waits for the threads when it is closed."""

    proxy: CuttingProxy

    def __init__(self, address: tuple[str, int], handler: type[_Connection]) -> None:
        super().__init__(address, handler)
        self.open: set[socket.socket] = set()

    def close_all(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def shutdown_request(self, request: object) -> None:
        # Without a shutdown before, so that the close may be a reset.
        self.close_request(request)  # type: ignore[arg-type]


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.open.add(self.request)
        try:
            with suppress(OSError):
                self.server.proxy.pass_on(self.request)
        finally:
            self.server.open.discard(self.request)
