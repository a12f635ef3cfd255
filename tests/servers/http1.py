"""A client that reads an HTTP/1.1 response as it arrives (RFC 9112)."""

from __future__ import annotations

import re

from .response import Connection, Headers, Response, WireError

__all__ = ["PROBE", "Http1Connection"]

PROBE = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"

STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})(?: .*)?")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?")


class Http1Connection(Connection):
    """One request at a time, on a connection that is kept where the server keeps it."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._buffer = bytearray()
        self._response: Response | None = None
        self._step = self._head
        self._left = 0

    def request(
        self, method: str, target: str, *, headers: Headers = (), body: bytes = b""
    ) -> Response:
        if self._response is not None and not self._response.is_complete:
            raise WireError("the response before is not complete")
        if self._buffer:
            raise WireError(f"the response before goes on: {bytes(self._buffer)!r}")
        fields = [("host", "127.0.0.1"), *headers]
        if body:
            fields.append(("content-length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        self._response, self._step = Response(self, method), self._head
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self._response

    def cancel(self, response: Response) -> None:
        if response is not self._response:
            raise ValueError("another response has come on this connection since")
        self.reset()

    def receive(self, data: bytes) -> None:
        self._buffer += data
        response = self._response
        if response is None:
            return
        while not response.has_ended and self._step(response):
            pass
        if not data:
            response.end(is_complete=False)

    # Each step takes one element from the buffer, and returns whether it was there.

    def _head(self, response: Response) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        matched = STATUS_LINE.fullmatch(first)
        if matched is None:
            raise WireError(f"not a status line: {first!r}")
        status = int(matched[1])
        if status >= 200:
            fields = [line.decode("latin-1").partition(":") for line in lines]
            response.add_head(status, [(name.lower(), value.strip()) for name, _, value in fields])
            self._find_framing(response)
        return True

    def _find_framing(self, response: Response) -> None:
        length = response.header("content-length")
        if response.method == "HEAD" or response.status in (204, 304):
            response.end(is_complete=True)
        elif response.header("transfer-encoding") == "chunked":
            self._step = self._chunk_size
        elif length is not None:
            self._left, self._step = int(length), self._counted
            self._counted(response)
        else:
            self._step = self._until_close

    def _chunk_size(self, response: Response) -> bool:
        line = self._line()
        if line is None:
            return False
        matched = CHUNK_SIZE.fullmatch(line)
        if matched is None:
            raise WireError(f"not the size of a chunk: {line!r}")
        self._left = int(matched[1], 16)
        self._step = self._chunk if self._left else self._trailer
        return True

    def _chunk(self, response: Response) -> bool:
        if not self._take(response):
            return False
        if not self._left:
            self._step = self._chunk_end
        return True

    def _chunk_end(self, response: Response) -> bool:
        line = self._line()
        if line:
            raise WireError(f"a chunk is longer than its size: {line!r}")
        if line is not None:
            self._step = self._chunk_size
        return line is not None

    def _trailer(self, response: Response) -> bool:
        line = self._line()
        if line == b"":
            response.end(is_complete=True)
        return line is not None

    def _counted(self, response: Response) -> bool:
        taken = self._take(response)
        if not self._left:
            response.end(is_complete=True)
        return taken

    def _until_close(self, response: Response) -> bool:
        self._left = len(self._buffer)
        return self._take(response)

    def _take(self, response: Response) -> bool:
        data = bytes(self._buffer[: self._left])
        if data:
            del self._buffer[: len(data)]
            self._left -= len(data)
            response.add(data)
        return bool(data)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line
