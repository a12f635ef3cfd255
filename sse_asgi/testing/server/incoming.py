"""The client's messages to the app: a handshake, or the request and its body."""

from __future__ import annotations

from collections import deque

from ...asgi.types import Message
from .request import Request

__all__ = ["Incoming"]


class Incoming:
    """The messages that ``receive`` returns before the disconnect."""

    __slots__ = ("_body", "_is_handshaken", "_is_websocket", "is_told")

    def __init__(self, request: Request) -> None:
        self._body = deque(request.body)
        self._is_websocket = request.scope_type == "websocket"
        self._is_handshaken = False
        self.is_told: bool = False
        """Whether the app was told of the disconnect."""

    def next(self, *, disconnected: bool) -> Message | None:
        """Return the next message, or None if only the disconnect is left."""
        if self._is_websocket:
            if self._is_handshaken:
                return None
            self._is_handshaken = True
            return {"type": "websocket.connect"}
        if not self._body or disconnected:
            return None
        body = self._body.popleft()
        return {"type": "http.request", "body": body, "more_body": bool(self._body)}

    def disconnect(self) -> Message:
        """Return the message that the client has left."""
        self.is_told = True
        if self._is_websocket:
            return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        return {"type": "http.disconnect"}
