"""The head of one response: the content coding agreed on with the client; a refusal's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...wire import Compressor, new_compressor

if TYPE_CHECKING:
    from ...errors import Refusal
    from ...headers import Headers
    from ..connection import Connection
    from ..options import StreamOptions

__all__ = ["negotiate", "refusal_head"]

OF_EVERY_ANSWER: Final = frozenset(
    {b"vary", b"access-control-allow-origin", b"access-control-allow-credentials"}
)
"""The head's fields that a refusal has as well, or a page of another origin could not read it."""


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


def refusal_head(refusal: Refusal, head: Headers) -> Headers:
    """Return the headers of a refusal.

    :param head: those of the stream that is refused
    """
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers]
    if refusal.body and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    headers += [pair for pair in head if pair[0] in OF_EVERY_ANSWER and pair not in headers]
    return headers
