"""The content coding of one response, agreed on with the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...wire import Compressor, new_compressor

if TYPE_CHECKING:
    from ...headers import Headers
    from ..connection import Connection
    from ..options import StreamOptions

__all__ = ["negotiate"]


def negotiate(options: StreamOptions, connection: Connection) -> tuple[Headers, Compressor | None]:
    """Return the response's headers, and the compressor if there is one."""
    if options.compression is None:
        return options.head, None
    headers = options.head.copy()
    if any(name == b"content-encoding" for name, _ in headers):
        return headers, None
    accepted = ",".join(connection.headers.get_all("accept-encoding"))
    compressor = new_compressor(options.compression, accepted)
    _vary(headers)
    if compressor is not None:
        headers.append((b"content-encoding", compressor.coding.encode()))
    return headers, compressor


def _vary(headers: Headers) -> None:
    """Say that the response depends on what was accepted (RFC 9110, 12.5.5)."""
    given = b",".join(value for name, value in headers if name == b"vary").lower()
    if not {b"*", b"accept-encoding"}.intersection(map(bytes.strip, given.split(b","))):
        headers.append((b"vary", b"accept-encoding"))
