"""A client's request for a stream, and the notice that the server stops."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import anyio

from ..headers import Fields, decoded, decoded_utf8, header

__all__ = ["Connection", "Fields", "Notice", "request_name"]

_QUERY_NAMES: Final = frozenset({"lasteventid", "evslasteventid"})
"""Query parameters that hold a last event ID: lower case, without hyphens and underscores.

Our own is ``last_event_id``. Polyfills of ``EventSource`` append ``lastEventId`` or
``evs_last_event_id``, and Mercure has ``lastEventID``.
"""


class Notice:
    """Tells a stream's content that the server stops, so that the stream must end.

    Content that watches the notice has ``shutdown_grace`` seconds for its last events, and is then
    cancelled. Content that never asks is cancelled at once.
    """

    __slots__ = ("_event", "_given", "_watched")

    def __init__(self) -> None:
        self._given = False
        self._watched = False
        self._event: anyio.Event | None = None

    def is_set(self) -> bool:
        """Return whether the stream must end."""
        self._watched = True
        return self._given

    async def wait(self) -> None:
        """Wait until the stream must end."""
        self._watched = True
        if self._event is None:
            self._event = anyio.Event()
            if self._given:
                self._event.set()
        await self._event.wait()

    @property
    def is_watched(self) -> bool:
        """Whether the content has ever asked for the notice."""
        return self._watched

    def give(self) -> None:
        """Wake every task that waits for the notice, and let later calls return at once."""
        self._given = True
        if self._event is not None:
            self._event.set()


class Connection:
    """One client's request for an event stream.

    :param scope: the ASGI scope (ASGI HTTP 2.3, "HTTP connection scope")
    :param shutdown: the notice of the stream; a new one by default
    :param body: the request's body
    """

    __slots__ = ("_headers", "_query", "_shutdown", "body", "scope")

    def __init__(self, scope: Any, shutdown: Notice | None = None, body: bytes = b"") -> None:
        self.scope: MutableMapping[str, Any] = scope
        self.body: bytes = body
        """The request's body in bytes; empty unless the app allows a method that has one."""
        self._shutdown = shutdown
        self._headers: Fields | None = None
        self._query: Fields | None = None

    @property
    def shutdown(self) -> Notice:
        """The notice that this stream must end, because the server stops: see :class:`Notice`."""
        if self._shutdown is None:
            self._shutdown = Notice()  # most content never asks
        return self._shutdown

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

            text = decoded_utf8(self.scope.get("query_string", b""))
            self._query = Fields(parse_qsl(text, keep_blank_values=True))
        return self._query

    @property
    def last_event_id(self) -> str | None:
        """The ID of the last event that the client has seen, or None at its first connection.

        It comes from the ``Last-Event-ID`` header (WHATWG HTML 9.2.4). If that is missing or empty,
        it comes from the query: from ``last_event_id``, for a page that opens a new ``EventSource``
        after an error, or from the name that a polyfill uses, such as ``lastEventId``. Of several
        the last one counts, because clients append theirs.

        A browser encodes the header as UTF-8. Bytes that are not UTF-8 are read as Latin-1, which
        a ``fetch`` sends. The client chose the text, so do not trust it.
        """
        given = header(self.scope["headers"], b"last-event-id")
        if given:
            return decoded_utf8(given)
        if not self.scope.get("query_string"):
            return None
        found: list[str] = []
        for name in self.query:
            if name.replace("-", "").replace("_", "").lower() in _QUERY_NAMES:
                found += filter(None, self.query.get_all(name))
        return found[-1] if found else None

    @property
    def method(self) -> str:
        """The request's method."""
        return str(self.scope.get("method", "GET"))

    @property
    def path(self) -> str:
        """The request's path, without the path under which the app is mounted."""
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
        """The state that the lifespan's startup left (ASGI lifespan 2.0, "Lifespan State")."""
        state: MutableMapping[str, Any] = self.scope.setdefault("state", {})
        return state

    def __repr__(self) -> str:
        return f"<Connection {self.method} {self.scope.get('path')}>"


def request_name(connection: Connection) -> str:
    """Return the request's method and path, escaped so that they fit one line of a log.

    The server has decoded the path, so a client could put line ends into it and forge log lines.
    """
    name = f"{connection.method} {connection.scope.get('path')}"
    return name if name.isprintable() else name.encode("unicode_escape").decode()
