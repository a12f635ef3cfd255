"""The limits on how many streams one application has open."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, Literal, TypeAlias, get_args

from .. import checks
from ..errors import Refusal
from .connection import Connection
from .options import StreamOptions
from .reconnect import come_back, random_retry

__all__ = ["ClientKey", "ConnectionLimits", "WhenFull", "client_address"]

ClientKey: TypeAlias = Callable[[Connection], Hashable]
WhenFull: TypeAlias = Literal["retry", "503"]

_RETRY: Final = (1000, 5000)

_FORWARDED: Final = ("forwarded", "x-forwarded-for")
"""Headers in which a proxy names the client (RFC 7239, and the one before it)."""

_NOBODY: Final = object()
"""The key of a client that counts in all only."""

logger: Final = logging.getLogger("sse_asgi")


def client_address(connection: Connection) -> str | None:
    """Return the client's address, or the proxy's if the server does not trust that proxy.

    There is none for a client that comes through a Unix domain socket, unless the server trusts
    the proxy behind it.
    """
    return None if connection.client is None else connection.client[0]


class ConnectionLimits:
    """Counts open streams, in all and for each client, and refuses a stream beyond a limit.

    No open stream is ended to make room: that browser would reconnect at once, and end another.

    A client without an address counts in all only. There is nothing to tell it from others by, and
    a limit per client that all of them shared would shut most of them out. The log says so once.

    :param total: the most streams at a time; None: no limit
    :param per_client: the most streams at a time of one client
    :param client_key: returns the key under which a client's streams are counted; clients with the
        same key count as one, also if it is None
    :param when_full: ``"retry"`` refuses with a 200 that holds only a reconnection time, since a
        browser's ``EventSource`` never reconnects after another status; ``"503"`` refuses with that
        status and ``Retry-After``, for clients that know it
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
        self._has_warned = False

    @property
    def open(self) -> int:
        """The number of open streams."""
        return self._open

    def key_of(self, connection: Connection) -> Hashable:
        """Return the key under which the connection counts."""
        key = _NOBODY if self._per_client is None else self._client_key(connection)
        if key is None and self._client_key is client_address:
            self._warn("the server gives them no address, so the limit does not hold")
            key = _NOBODY
        return key

    def _warn(self, reason: str) -> None:
        """Say once that clients cannot be told apart."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "max_connections_per_client cannot tell clients apart: %s. Have the server trust"
                " its proxy (uvicorn: --forwarded-allow-ips), or give client_key=, a function that"
                " returns a key for each client, such as the name of its user",
                reason,
            )

    def enter(self, key: Hashable) -> bool:
        """Count one more stream of the client ``key`` if there is room for it."""
        with self._lock:
            if self._total is not None and self._open >= self._total:
                return False
            if self._per_client is not None and key is not _NOBODY:
                if self._open_by_client[key] >= self._per_client:
                    return False
                self._open_by_client[key] += 1
            self._open += 1
            return True

    def leave(self, key: Hashable) -> None:
        """Count one stream less of the client ``key``."""
        with self._lock:
            self._open -= 1
            if self._per_client is not None and key is not _NOBODY:
                self._open_by_client[key] -= 1
                if not self._open_by_client[key]:
                    del self._open_by_client[key]

    def refusal(self, connection: Connection, options: StreamOptions) -> Refusal:
        """Return the answer to a client for which there is no room."""
        if self._per_client is not None and self._client_key is client_address:
            address = client_address(connection)
            for name in _FORWARDED:
                named = connection.headers.get(name)
                if named is not None and address is not None and address not in named:
                    self._warn(
                        f"all that come through {address} count as one, although it names"
                        f" them in {name!r}"
                    )
        retry = random_retry(options.farewell_retry or _RETRY)
        if self._when_full == "503":
            seconds = -(-retry // 1000)
            return Refusal(503, "Too many event streams are open", {"retry-after": str(seconds)})
        return come_back(retry, options.head)
