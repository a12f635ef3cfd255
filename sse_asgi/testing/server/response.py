"""The response as its client has it so far."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...headers import ResponseHeaders
from .window import Window

__all__ = ["ClientResponse"]


class ClientResponse:
    """Status, headers and the end of the body; the body itself goes to ``deliver``.

    :param window: bytes that the client lets come unread
    :param head_waits: whether the head comes with the first piece of the body
    :param has_body: whether the client wants a body: not for HEAD
    """

    __slots__ = (
        "_deliver",
        "_has_body",
        "_head_waits",
        "complete",
        "has_head",
        "headers",
        "status",
        "window",
    )

    def __init__(
        self,
        deliver: Callable[[bytes], object],
        *,
        window: int,
        head_waits: bool,
        has_body: bool,
    ) -> None:
        self._deliver = deliver
        self._head_waits = head_waits
        self._has_body = has_body
        self.status: int | None = None
        self.headers: ResponseHeaders = ResponseHeaders()
        self.has_head: bool = False
        """The client has status and headers."""
        self.complete: bool = False
        """The client has the end of the body."""
        self.window: Window = Window(window, self._hand_over)

    def accept(self, kind: str, message: Mapping[str, Any]) -> None:
        """Send a message of the app on its way to the client."""
        if kind == "start":
            self.status = message["status"]
            self.headers = ResponseHeaders(message.get("headers", ()))
            self.has_head = not self._head_waits
        elif kind == "websocket.close":
            # "the server must close the connection with a HTTP 403" (ASGI WebSocket, Close)
            self.status, self.has_head, self.complete = 403, True, True
        elif kind in ("body", "pathsend", "zerocopysend"):
            body = _body_of(kind, message) if self._has_body else b""
            self.window.put(body, kind == "pathsend" or not message.get("more_body", False))

    def answer_500(self) -> None:
        """Send what a server sends when the app raised before its response had started."""
        self.status = 500
        self.headers = ResponseHeaders([(b"content-type", b"text/plain; charset=utf-8")])
        self._hand_over(b"Internal Server Error", last=True)

    def _hand_over(self, body: bytes, last: bool) -> None:
        self.has_head = True
        self.complete = last
        if body:
            self._deliver(body)


def _body_of(kind: str, message: Mapping[str, Any]) -> bytes:
    """Return the bytes of a message (ASGI extensions: path send, zero copy send)."""
    if kind == "pathsend":
        return Path(message["path"]).read_bytes()
    if kind == "zerocopysend":
        file = message["file"]
        descriptor = file if isinstance(file, int) else file.fileno()
        if message.get("offset") is not None:
            os.lseek(descriptor, message["offset"], os.SEEK_SET)
        left = message.get("count")
        size = os.fstat(descriptor).st_size if left is None else left
        return os.read(descriptor, size)
    return bytes(message.get("body", b""))
