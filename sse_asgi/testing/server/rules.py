"""The rules of ASGI for what an app may send, and in which order.

Some break the response on every server, so they always hold. Others are let pass by one server and
break the response on another: they hold when ``strict`` is set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from ...headers import CONTROL, HOP_BY_HOP, is_token
from ..errors import ASGIViolation

__all__ = ["ResponseRules"]

_CONNECTION_SPECIFIC: Final = frozenset(
    name.encode() for name in HOP_BY_HOP if name != "content-length"
)
_LENIENT: Final = "; connect(..., strict=False) lets it pass, as some servers do"
_WHOLE: Final = ("pathsend", "zerocopysend")
"""Messages of extensions that carry the body."""


class ResponseRules:
    """Follows one response: :meth:`check` each message, :meth:`commit` it once it is on its way."""

    __slots__ = (
        "_awaits_trailers",
        "_extensions",
        "_has_body",
        "_has_trailers",
        "_length",
        "_multiplexed",
        "_prefix",
        "_sent",
        "complete",
        "started",
        "strict",
    )

    def __init__(self, scope: Mapping[str, Any], *, strict: bool) -> None:
        self._prefix = "websocket." if scope["type"] == "websocket" else ""
        self._extensions: Collection[str] = scope.get("extensions") or ()
        self._has_body = scope.get("method") != "HEAD"
        self._multiplexed = scope["http_version"] in ("2", "3")
        self.strict: bool = strict
        self._length: int | None = None
        self._sent = 0
        self._has_trailers = self._awaits_trailers = False
        self.started: bool = False
        self.complete: bool = False

    def kind(self, message: Mapping[str, Any]) -> str:
        """Return ``"start"``, ``"body"``, or the type of a message that is neither."""
        return str(message["type"]).removeprefix(f"{self._prefix}http.response.")

    def check(self, message: object) -> dict[str, Any]:
        """Return the message, with its headers as a list, if it may be sent now.

        :raises ASGIViolation: naming the rule
        """
        if not isinstance(message, Mapping) or not isinstance(message.get("type"), str):
            raise ASGIViolation(f"a message is a dict with a str under 'type', not {message!r}")
        message = dict(message)
        if "headers" in message:
            message["headers"] = list(message["headers"])  # ASGI wants an iterable, of any kind
        kind = self.kind(message)
        name = message["type"]
        if self._awaits_trailers and kind == "trailers":
            return message
        if self.complete or self._awaits_trailers:
            raise ASGIViolation(
                f"{name} was sent after the final body (more_body false): nothing may follow"
            )
        if kind == "start":
            self._check_start(message)
        elif kind == "body":
            self._check_body(message)
        elif kind == "websocket.accept" and self._prefix:
            raise ASGIViolation("websocket.accept was sent, but this client only reads responses")
        elif not (kind == "websocket.close" and self._prefix and not self.started):
            self._check_extension(name)
            if kind in _WHOLE and not self.started:
                raise ASGIViolation(f"{name} was sent before the response was started")
        return message

    def commit(self, message: Mapping[str, Any]) -> None:
        """Take note that the message, which passed :meth:`check`, goes out."""
        kind = self.kind(message)
        if kind == "start":
            self.started = True
            self._has_trailers = bool(message.get("trailers", False))
            self._length = self._content_length(message)
        elif kind == "body" or kind in _WHOLE:
            self._sent += len(message.get("body", b""))
            if kind == "pathsend" or not message.get("more_body", False):
                self._awaits_trailers = self._has_trailers
                self.complete = not self._has_trailers
        elif kind == "trailers":
            self.complete = not message.get("more_trailers", False)
        elif kind == "websocket.close":
            self.started = self.complete = True

    def _check_extension(self, name: str) -> None:
        if name not in self._extensions:
            known = f"{self._prefix}http.response.start or {self._prefix}http.response.body"
            raise ASGIViolation(f"{name} is neither {known} nor announced in scope['extensions']")

    def _check_start(self, message: Mapping[str, Any]) -> None:
        if self.started:
            raise ASGIViolation(f"{message['type']} was sent twice: a response starts once")
        status = message.get("status")
        if not isinstance(status, int) or isinstance(status, bool):
            raise ASGIViolation(f"status must be an int, not {status!r}")
        if not 200 <= status <= 599:
            raise ASGIViolation(
                f"status must be from 200 to 599, that of a final response, not {status}"
            )
        for field in message.get("headers", ()):
            self._check_field(field)

    def _check_field(self, field: object) -> None:
        if not isinstance(field, (tuple, list)) or len(field) != 2:
            raise ASGIViolation(f"headers must hold [name, value] pairs, not {field!r}")
        name, value = field
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise ASGIViolation(f"header names and values must be byte strings, not {field!r}")
        if not is_token(name.decode("latin-1")):
            raise ASGIViolation(f"a header name must be a token (RFC 9110, 5.1), not {name!r}")
        if CONTROL.search(value):
            raise ASGIViolation(
                f"a header value must not hold CR, LF or NUL (RFC 9110, 5.5): {field!r}"
            )
        if not self.strict:
            return
        if name != name.lower():
            raise ASGIViolation(
                f"header names must be lower-case (ASGI HTTP, Response Start): {name!r}{_LENIENT}"
            )
        if self._multiplexed and name in _CONNECTION_SPECIFIC:
            raise ASGIViolation(
                f"HTTP/2 and HTTP/3 have no {name.decode()} field (RFC 9113, 8.2.2){_LENIENT}"
            )

    def _check_body(self, message: Mapping[str, Any]) -> None:
        if not self.started:
            raise ASGIViolation(f"{message['type']} was sent before the response was started")
        body, more = message.get("body", b""), message.get("more_body", False)
        accepted = bytes if self.strict else (bytes, bytearray, memoryview)
        if not isinstance(body, accepted):
            raise ASGIViolation(f"body must be a byte string, not {body!r}")
        if self.strict and not isinstance(more, bool):
            raise ASGIViolation(f"more_body must be a bool, not {more!r}")
        self._check_length(self._sent + len(body), more)

    def _check_length(self, sent: int, more: object) -> None:
        if self._length is None or not self.strict or not self._has_body:
            return
        if sent > self._length or (sent < self._length and not more):
            raise ASGIViolation(
                f"the body has {sent} bytes, but content-length says {self._length} (RFC 9110, 8.6)"
            )

    @staticmethod
    def _content_length(message: Mapping[str, Any]) -> int | None:
        for name, value in message.get("headers", ()):
            if name.lower() == b"content-length" and value.isdigit():
                return int(value)
        return None
