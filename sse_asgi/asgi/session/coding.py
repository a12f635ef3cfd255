"""The content coding of one response: agreed on with the client, applied to each message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...wire import Compressor, IsolatedBlock, new_compressor

if TYPE_CHECKING:
    from ...headers import Headers
    from ..connection import Connection
    from ..options import StreamOptions
    from ..types import Send

__all__ = ["CodedSend", "negotiate"]


def negotiate(options: StreamOptions, connection: Connection) -> tuple[Headers, Compressor | None]:
    """Return the response's headers, and the compressor if there is one."""
    if options.compression is None:
        return options.head, None
    headers = options.head.copy()
    if any(name == b"content-encoding" for name, _ in headers):
        return headers, None
    fields = connection.scope["headers"]
    accepted = b",".join(value for name, value in fields if name == b"accept-encoding")
    compressor = new_compressor(options.compression, accepted.decode("latin-1"))
    _vary(headers)
    if compressor is not None:
        headers.append((b"content-encoding", compressor.coding.encode()))
    return headers, compressor


def _vary(headers: Headers) -> None:
    """Say that the response depends on what was accepted (RFC 9110, 12.5.5)."""
    given = b",".join(value for name, value in headers if name == b"vary").lower()
    if not {b"*", b"accept-encoding"}.intersection(map(bytes.strip, given.split(b","))):
        headers.append((b"vary", b"accept-encoding"))


class CodedSend:
    """The server's ``send``, with every body coded in between, and flushed.

    Which response is coded, its head says: a refusal has another one.

    :param headers: the head of the response to code
    """

    __slots__ = ("_compressor", "_headers", "_is_coded", "_is_torn", "_send", "bytes")

    def __init__(self, send: Send, compressor: Compressor, headers: Headers) -> None:
        self._send = send
        self._compressor = compressor
        self._headers = headers
        self._is_coded = False
        self._is_torn = False
        self.bytes = 0
        """Bytes of body that were sent."""

    async def __call__(self, message: Any) -> None:
        """Send the message."""
        body = message.get("body")
        if body is None:
            self._is_coded = message["headers"] == self._headers
            await self._send(message)
            return
        more_body = message["more_body"]
        if self._is_coded:
            if body:
                isolate = self._is_torn or type(body) is IsolatedBlock
                body = self._compressor.compress(body, isolate=isolate)
            if not more_body:
                body += self._compressor.finish()
            message = {"type": message["type"], "body": body, "more_body": more_body}
        # Whether a message that is cut short has gone out, nobody knows: what follows must make
        # sense without it.
        self._is_torn = True
        await self._send(message)
        self._is_torn = False
        self.bytes += len(body)
