"""One connection of a client: a request, and the events of the response as they come."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from sse_asgi.wire import EventDecoder, MessageEvent

__all__ = ["LOST", "Stream", "ask"]

LOST: Final = (OSError, EOFError, asyncio.IncompleteReadError)
"""What ends a connection that the server or the network has closed."""

HEAD_TIMEOUT: Final = 20.0
SMALL_BUFFER: Final = 8192
NO_LINGER: Final = struct.pack("ii", 1, 0)


class Stream:
    """A response that arrives in chunks (RFC 9112, 7.1)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self._reader, self._writer = reader, writer
        self._inflate: Any = None
        self._is_chunked = False

    @classmethod
    async def open(
        cls,
        port: int,
        target: str,
        *,
        method: str = "GET",
        last_event_id: str = "",
        gzip: bool = False,
    ) -> Stream:
        """Connect, and wait for the head of the response."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        try:
            async with asyncio.timeout(HEAD_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
                stream = cls(*await asyncio.open_connection(sock=connection, limit=2**17))
        except BaseException:
            connection.close()
            raise
        try:
            await stream._request(method, target, last_event_id, gzip)
        except BaseException:
            stream.leave(reset=True)
            raise
        return stream

    async def _request(self, method: str, target: str, last_event_id: str, gzip: bool) -> None:
        fields = ["host: 127.0.0.1"]
        if last_event_id:
            fields.append(f"last-event-id: {last_event_id}")
        if gzip:
            fields.append("accept-encoding: gzip")
        lines = [f"{method} {target} HTTP/1.1", *fields, "", ""]
        self._writer.write("\r\n".join(lines).encode())
        async with asyncio.timeout(HEAD_TIMEOUT):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        self.status = int(head.split(" ", 2)[1])
        self._is_chunked = "\r\ntransfer-encoding: chunked\r\n" in head
        if "\r\ncontent-encoding: gzip\r\n" in head:
            self._inflate = zlib.decompressobj(31)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece, until the server has said that it is complete."""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            data = (await self._reader.readexactly(size + 2))[:-2]
            yield data if self._inflate is None else self._inflate.decompress(data)

    async def events(self) -> AsyncIterator[MessageEvent]:
        """Yield the events, until the end of the body."""
        decoder = EventDecoder()
        if self._is_chunked:
            async for data in self.chunks():
                for event in decoder.feed(data):
                    yield event

    async def read_all(self) -> bytes:
        """Return the whole body of an answer that says how long it is, or ends the connection."""
        if self._is_chunked:
            return b"".join([data async for data in self.chunks()])
        return await self._reader.read()

    def leave(self, *, reset: bool) -> None:
        """Close the connection: in order, or by a reset, as when the client has vanished."""
        if reset:
            with suppress(OSError):
                sock = self._writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._writer.transport.abort()
        else:
            self._writer.close()


async def ask(port: int, target: str, method: str = "GET") -> str:
    """Return the body of an answer, on a connection of its own.

    :raises RuntimeError: the status is not 200
    """
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            request = f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
            writer.write(request.encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    if head.split(b" ", 2)[1] != b"200":
        raise RuntimeError(f"{method} {target}: {head!r} {body!r}")
    return body.decode()
