"""The request that a test makes, and the ASGI scope of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

from ...headers import CONTROL, is_token
from .profile import ServerProfile

__all__ = ["Headers", "Request", "encode_body", "encode_headers"]

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]

HTTP_VERSIONS = ("1.0", "1.1", "2", "3")
SAFE = (
    "/:@!$&'()*+,;=~%-._"  # RFC 3986, 3.3: what may stand in a path, and "%", which quotes already
)
WEBSOCKET_HANDSHAKE = (
    (b"connection", b"upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request or WebSocket handshake.

    :raises TypeError: a field is of the wrong type
    :raises ValueError: a field cannot be sent
    """

    path: str
    method: str = "GET"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: tuple[bytes, ...] = (b"",)
    last_event_id: str | None = None
    http_version: str = "1.1"
    client: tuple[str, int] | None = ("127.0.0.1", 12345)
    server: tuple[str, int] = ("testserver", 80)
    scheme: str = "http"
    root_path: str = ""
    scope_type: Literal["http", "websocket"] = "http"
    state: Mapping[str, Any] | None = None
    extensions: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, str):
            raise TypeError(f"path must be a str, not {self.path!r}")
        if not self.path.startswith("/") or "#" in self.path:
            raise ValueError(f"path must begin with '/' and have no fragment: {self.path!r}")
        if not is_token(self.method):
            raise ValueError(f"method must be a token (RFC 9110, 9.1), not {self.method!r}")
        if self.http_version not in HTTP_VERSIONS:
            raise ValueError(
                f"http_version must be one of {HTTP_VERSIONS}, not {self.http_version!r}"
            )
        if self.scheme not in ("http", "https"):
            raise ValueError(f"scheme must be 'http' or 'https', not {self.scheme!r}")
        if self.scope_type not in ("http", "websocket"):
            raise ValueError(f"scope_type must be 'http' or 'websocket', not {self.scope_type!r}")
        if self.root_path and (self.root_path[0] != "/" or self.root_path[-1] == "/"):
            raise ValueError(f"root_path must begin and not end with '/': {self.root_path!r}")
        if self.last_event_id is not None and CONTROL.search(self.last_event_id.encode()):
            raise ValueError("last_event_id must not hold CR, LF or NUL (WHATWG HTML 9.2.6)")

    def resumed(self, last_event_id: str) -> Request:
        """Return the request that a client makes when it reconnects (WHATWG HTML 9.2.3)."""
        headers = tuple(pair for pair in self.headers if pair[0] != b"last-event-id")
        return replace(self, headers=headers, last_event_id=last_event_id)

    def scope(self, profile: ServerProfile) -> dict[str, Any]:
        """Return a new ASGI connection scope, as a server with ``profile`` makes it."""
        websocket = self.scope_type == "websocket"
        target, _, query = self.path.partition("?")
        raw_path = quote(self.root_path + target, safe=SAFE)
        asgi = {"version": "3.0"}
        if profile.spec_version is not None:
            asgi["spec_version"] = profile.spec_version
        scope: dict[str, Any] = {
            "type": self.scope_type,
            "asgi": asgi,
            "http_version": self.http_version,
            "scheme": self.scheme.replace("http", "ws") if websocket else self.scheme,
            "path": unquote(raw_path),
            "raw_path": raw_path.encode("ascii"),
            "query_string": quote(query, safe=SAFE + "?").encode("ascii"),
            "root_path": self.root_path,
            "headers": self._all_headers(),
            "client": self.client,
            "server": self.server,
        }
        extensions = None if self.extensions is None else dict(self.extensions)
        if websocket:
            scope["subprotocols"] = []
            extensions = {"websocket.http.response": {}, **(extensions or {})}
        else:
            scope["method"] = self.method
        if extensions is not None:
            scope["extensions"] = extensions
        if self.state is not None:
            # "a shallow copy of the namespace" (ASGI Lifespan, Lifespan State)
            scope["state"] = dict(self.state)
        return scope

    def _all_headers(self) -> list[tuple[bytes, bytes]]:
        length = sum(map(len, self.body))
        host, port = self.server
        defaults = [
            (b"host", (host if port in (80, 443) else f"{host}:{port}").encode()),
            (b"accept", b"text/event-stream"),
        ]
        if length:
            defaults.append((b"content-length", b"%d" % length))
        if self.scope_type == "websocket":
            defaults += WEBSOCKET_HANDSHAKE
        if self.last_event_id:
            defaults.append((b"last-event-id", self.last_event_id.encode()))
        given = {name for name, _ in self.headers}
        return [pair for pair in defaults if pair[0] not in given] + list(self.headers)


def encode_headers(headers: Headers | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return header fields as ASGI has them: bytes, the names in lower case.

    :raises TypeError: a name or a value is neither str nor bytes
    :raises ValueError: a name is no token, or a value holds CR, LF or NUL (RFC 9110, 5.5)
    """
    if headers is None:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((_encode_name(name), _encode_value(value)) for name, value in pairs)


def _encode_name(name: str | bytes) -> bytes:
    encoded = _encode(name).lower()
    if not is_token(encoded.decode("latin-1")):
        raise ValueError(f"a header name must be a token (RFC 9110, 5.1), not {name!r}")
    return encoded


def _encode_value(value: str | bytes) -> bytes:
    encoded = _encode(value)
    if CONTROL.search(encoded):
        raise ValueError(f"a header value must not hold CR, LF or NUL (RFC 9110, 5.5): {value!r}")
    return encoded


def _encode(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8")
    raise TypeError(f"header names and values must be str or bytes, not {text!r}")


def encode_body(body: bytes | Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the chunks of a request body; each becomes one ``http.request`` message.

    :raises TypeError: a chunk is not bytes
    """
    chunks = (body,) if isinstance(body, (bytes, str)) else tuple(body)
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise TypeError(f"body must be bytes or an iterable of bytes, not {chunk!r}")
    return chunks or (b"",)
