"""Responses that the test makes by itself, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable

import anyio.lowlevel

from tests.servers.apps import Send

__all__ = ["TORN", "respond", "torn"]

TORN = (
    "\ufeffdata: byte order mark\n\n\ufeffdata: not a field\n\ndata: CR\r\rdata: CRLF\r\n\r\n"
    "data\n\ndata:two\ndata:  lines\n\ndata:a:b\n\n: comment\ndata\n: comment\ndata:x\n\n"
    "id: é€😀\nevent: message\ndata: wide 😀\n\nid: nul\0\ndata: nul\n\nid: 7\n\ndata: seven\n\n"
    "id\ndata: none\n\nevent: message\n\nunknown: field\ndata: known\n\nid: 8\ndata: last\n\n"
    "id: 9\ndata: not complete\n"
).encode()
"""Every rule of the format (WHATWG HTML 9.2.6) that a parser in the page must keep."""


async def torn(send: Send) -> None:
    """Send bytes one by one, so that every line end and character is torn somewhere."""
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(len(TORN)):
        body = TORN[number : number + 1]
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await anyio.lowlevel.checkpoint()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def respond(
    send: Send,
    content_type: str,
    body: bytes,
    status: int = 200,
    more: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send one response that is complete."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
