"""A response that arrives piece by piece, over either protocol, and the connection it comes on."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from sse_asgi.wire import EventDecoder, MessageEvent

__all__ = ["TIMEOUT", "Connection", "Headers", "Response", "WireError"]

TIMEOUT = 10.0
"""How long anything that the tests wait for may take, in seconds."""

Headers = Sequence[tuple[str, str]]


class WireError(Exception):
    """The server sent what the protocol does not allow."""


class Response:
    """What has arrived of one response. Waiting for more raises :exc:`TimeoutError` in the end."""

    def __init__(self, connection: Connection, method: str, stream_id: int = 0) -> None:
        self.method = method
        self.stream_id = stream_id
        self.status = 0
        self.headers: Headers = ()
        self.has_ended = False
        self.is_complete = False
        """Whether the protocol said that this was all, and not just the end of the connection."""
        self.comments: list[str] = []
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._decoder = EventDecoder(on_comment=self.comments.append)
        self._events: deque[MessageEvent] = deque()

    # -- for the connection --------------------------------------------------------------------

    def add_head(self, status: int, headers: Headers) -> None:
        """Take the status and the headers."""
        self.status, self.headers = status, headers

    def add(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.method == "HEAD" or self.status in (204, 304):
            raise WireError(f"a body where there is none: {data!r}")
        self._pieces.append(data)

    def end(self, *, is_complete: bool) -> None:
        """Take the end, of the response or of the connection."""
        if not self.has_ended:
            self.has_ended, self.is_complete = True, is_complete

    # -- for the tests -------------------------------------------------------------------------

    @property
    def retry(self) -> int | None:
        """The reconnection time that the events read so far have set, in milliseconds."""
        return self._decoder.retry

    def header(self, name: str) -> str | None:
        """Return the value of a header field that is sent at most once."""
        values = [value for field, value in self.headers if field == name]
        if len(values) > 1:
            raise WireError(f"{name} was sent {len(values)} times")
        return values[0] if values else None

    def wait_head(self, timeout: float = TIMEOUT) -> Self:
        """Wait for the head."""
        deadline = time.monotonic() + timeout
        while not self.status and not self.has_ended:
            self._connection.advance(deadline)
        if not self.status:
            raise WireError("the connection ended before the head")
        return self

    def read_piece(self, timeout: float = TIMEOUT) -> bytes:
        """Return the next piece of the body as it arrived; ``b""`` at the end."""
        deadline = time.monotonic() + timeout
        while not self._pieces and not self.has_ended:
            self._connection.advance(deadline)
        return self._pieces.popleft() if self._pieces else b""

    def read_until(self, end: bytes, timeout: float = TIMEOUT) -> bytes:
        """Return the pieces of the body up to the first that completes ``end``."""
        deadline = time.monotonic() + timeout
        body = b""
        while not body.endswith(end):
            piece = self.read_piece(deadline - time.monotonic())
            if not piece:
                raise WireError(f"the response ended after {body!r}")
            body += piece
        return body

    def read_body(self, timeout: float = TIMEOUT) -> bytes:
        """Return the rest of the body once the response has ended."""
        deadline = time.monotonic() + timeout
        while not self.has_ended:
            self._connection.advance(deadline)
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def read_event(self, timeout: float = TIMEOUT) -> MessageEvent | None:
        """Return the next event; None when the response ends without a further one."""
        deadline = time.monotonic() + timeout
        while not self._events:
            piece = self.read_piece(deadline - time.monotonic())
            if not piece:
                return None
            self._events.extend(self._decoder.feed(piece))
        return self._events.popleft()


class Connection(ABC):
    """A TCP connection on which requests are sent, and responses read as they come."""

    def __init__(self, port: int, timeout: float = TIMEOUT) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @abstractmethod
    def request(
        self, method: str, target: str, *, headers: Headers = (), body: bytes = b""
    ) -> Response:
        """Send a request and return its response, of which nothing has arrived yet."""

    @abstractmethod
    def cancel(self, response: Response) -> None:
        """Break off one response, abruptly."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Take what has arrived; nothing means that the server has closed the connection."""

    def get(self, target: str, *, headers: Headers = ()) -> Response:
        """Send a GET request and wait for the head of its response."""
        return self.request("GET", target, headers=headers).wait_head()

    def advance(self, deadline: float) -> None:
        """Receive once.

        :raises TimeoutError: nothing came before ``deadline``, in terms of :func:`time.monotonic`
        """
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self.receive(data)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.settimeout(TIMEOUT)
        self._socket.sendall(data)

    def answer(self, data: bytes) -> None:
        """Send what the protocol asks for, to a server that may have closed its side.

        What it has sent before is still to be read.
        """
        with suppress(ConnectionError):
            self.write(data)

    def close(self) -> None:
        """Close the connection, as a client that leaves in the regular way."""
        self._socket.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset, as a client that crashed."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()
