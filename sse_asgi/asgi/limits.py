"""How many streams one application has open, and what happens to one too many."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Literal, TypeAlias, get_args

from .. import checks
from ..errors import Refusal
from .connection import Connection
from .options import StreamOptions
from .reconnect import come_back, random_retry

__all__ = ["Admission", "ClientKey", "ConnectionLimits", "WhenFull", "client_address"]

ClientKey: TypeAlias = Callable[[Connection], Hashable]
WhenFull: TypeAlias = Literal["retry", "503"]

COME_BACK = (1000, 5000)


def client_address(connection: Connection) -> str | None:
    """Return the address that the server sees: a proxy's own, unless the server trusts it."""
    return None if connection.client is None else connection.client[0]


class ConnectionLimits:
    """Counts open streams, in all and for each client. One too many is refused; none is evicted.

    An evicted browser would come back at once, and evict another.

    :param total: the most streams at a time; None: no limit
    :param per_client: the most streams at a time of one client
    :param client_key: tells one client from another
    :param when_full: ``"retry"`` refuses with a reconnection time and nothing else, since a
        browser's ``EventSource`` never comes back after a status other than 200; ``"503"`` with
        that status and ``Retry-After``, for clients that know it
    :raises TypeError: a limit is not an int, or ``client_key`` is not callable
    :raises ValueError: a limit is below 1, or ``when_full`` is something else
    """

    def __init__(
        self,
        total: int | None,
        per_client: int | None,
        client_key: ClientKey,
        when_full: WhenFull,
    ) -> None:
        self._total = checks.optional_integer("max_connections", total, least=1)
        self._per_client = checks.optional_integer(
            "max_connections_per_client", per_client, least=1
        )
        self._client_key = checks.function("client_key", client_key)
        self._when_full: WhenFull = checks.choice("when_full", when_full, get_args(WhenFull))
        self._lock = threading.Lock()  # an application may be served by event loops in two threads
        self._open = 0
        self._open_by_client: Counter[Hashable] = Counter()

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._open

    def admitted(self, connection: Connection) -> Admission:
        """Count the connection within a block, if there is room for it; tell whether there is."""
        return Admission(self, None if self._per_client is None else self._client_key(connection))

    def enter(self, key: Hashable) -> bool:
        """Count one more stream of the client ``key`` if there is room for it."""
        with self._lock:
            if self._total is not None and self._open >= self._total:
                return False
            if self._per_client is not None:
                if self._open_by_client[key] >= self._per_client:
                    return False
                self._open_by_client[key] += 1
            self._open += 1
            return True

    def leave(self, key: Hashable) -> None:
        """Count one stream less of the client ``key``."""
        with self._lock:
            self._open -= 1
            if self._per_client is not None:
                self._open_by_client[key] -= 1
                if not self._open_by_client[key]:
                    del self._open_by_client[key]

    def refusal(self, options: StreamOptions) -> Refusal:
        """Return the answer to a client for whom there is no room."""
        retry = random_retry(options.farewell_retry or COME_BACK)
        if self._when_full == "503":
            seconds = -(-retry // 1000)
            return Refusal(503, "Too many event streams are open", {"retry-after": str(seconds)})
        return come_back(retry, options.head)


class Admission:
    """A block within which one connection is counted, or told that there is no room."""

    __slots__ = ("_is_admitted", "_key", "_limits")

    def __init__(self, limits: ConnectionLimits, key: Hashable) -> None:
        self._limits = limits
        self._key = key
        self._is_admitted = False

    def __enter__(self) -> bool:
        self._is_admitted = self._limits.enter(self._key)
        return self._is_admitted

    def __exit__(self, *error: object) -> None:
        if self._is_admitted:
            self._limits.leave(self._key)
