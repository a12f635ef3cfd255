"""What the request says: headers, query, last event ID; and what the server says of its end."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import anyio

from ..headers import Fields, decoded, header

__all__ = ["Connection", "Fields", "Notice", "request_name"]


class Notice:
    """Tells a stream's content that the stream is about to end, because the server stops.

    Content that asks has ``shutdown_grace`` seconds for its last events, then it is cancelled;
    content that never asks is cancelled at once.
    """

    __slots__ = ("_event", "_given", "_watched")

    def __init__(self) -> None:
        self._given = False
        self._watched = False
        self._event: anyio.Event | None = None

    def is_set(self) -> bool:
        """Return whether the stream is to end."""
        self._watched = True
        return self._given

    async def wait(self) -> None:
        """Wait until the stream is to end."""
        self._watched = True
        if self._event is None:
            self._event = anyio.Event()
            if self._given:
                self._event.set()
        await self._event.wait()

    @property
    def is_watched(self) -> bool:
        """Whether the content has ever asked."""
        return self._watched

    def give(self) -> None:
        """Tell everybody who waits for it, and whoever asks from now on."""
        self._given = True
        if self._event is not None:
            self._event.set()


class Connection:
    """One client's request for an event stream.

    :param scope: the ASGI scope (ASGI HTTP 2.3, "HTTP connection scope")
    :param body: the request's body
    """

    __slots__ = ("_headers", "_query", "body", "scope", "shutdown")

    def __init__(self, scope: Any, shutdown: Notice, body: bytes = b"") -> None:
        self.scope: MutableMapping[str, Any] = scope
        self.body = body
        """The request's body in bytes; empty unless the app allows a method that has one."""
        self.shutdown = shutdown
        """The notice that this stream is to end, because the server stops: see :class:`Notice`."""
        self._headers: Fields | None = None
        self._query: Fields | None = None

    @property
    def headers(self) -> Fields:
        """The request's header fields; names match in any case."""
        if self._headers is None:
            self._headers = Fields(
                ((decoded(name), decoded(value)) for name, value in self.scope["headers"]),
                fold_case=True,
            )
        return self._headers

    @property
    def query(self) -> Fields:
        """The parameters of the query string."""
        if self._query is None:
            from urllib.parse import parse_qsl  # a tenth of the time to import this package

            text = decoded(self.scope.get("query_string", b""))
            self._query = Fields(parse_qsl(text, keep_blank_values=True))
        return self._query

    @property
    def last_event_id(self) -> str | None:
        """The ID of the last event that the client has seen, or None at its first connection.

        From the ``Last-Event-ID`` header (WHATWG HTML 9.2.4), else from the query parameter
        ``last_event_id``, for a page that opens a new ``EventSource`` after an error. It is
        whatever the client sent: treat it as such.
        """
        given = header(self.scope["headers"], b"last-event-id")
        if given is not None:
            # The browser encodes it as UTF-8.
            return given.decode("utf-8", "replace") or None
        return self.query.get("last_event_id") or None

    @property
    def method(self) -> str:
        """The request's method."""
        return str(self.scope.get("method", "GET"))

    @property
    def path(self) -> str:
        """The request's path below where the app is mounted."""
        path, root = str(self.scope["path"]), str(self.scope.get("root_path", "")).rstrip("/")
        # Servers and frameworks differ in whether ``path`` begins with ``root_path``.
        if root and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :]
        return path or "/"

    @property
    def path_params(self) -> Mapping[str, Any]:
        """The parameters that the framework's router found in the path."""
        params: Mapping[str, Any] = self.scope.get("path_params", {})
        return params

    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port, where the server knows them."""
        client = self.scope.get("client")
        return None if client is None else (client[0], client[1])

    @property
    def state(self) -> MutableMapping[str, Any]:
        """What the lifespan's startup left for requests (ASGI lifespan 2.0, "Lifespan State")."""
        state: MutableMapping[str, Any] = self.scope.setdefault("state", {})
        return state

    def __repr__(self) -> str:
        return f"<Connection {self.method} {self.scope.get('path')}>"


def request_name(connection: Connection) -> str:
    """Return method and path of the request, for one line of a log.

    The path is decoded, so that a client could write line ends, and so lines, into it.
    """
    name = f"{connection.method} {connection.scope.get('path')}"
    return name if name.isprintable() else name.encode("unicode_escape").decode()
