"""Leave for pages of other origins to read a stream (WHATWG Fetch, 3.3 "HTTP CORS protocol")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from .. import checks
from ..errors import Refusal
from ..headers import Headers, is_token
from .connection import Connection

__all__ = ["CORS", "CORSPolicy"]

_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
)
_DEFAULT_PORTS: Final = frozenset({("http", "80"), ("https", "443")})

# An EventSource needs none of these. A page that sets one in a fetch makes the browser ask first.
_REQUEST_HEADERS: Final = ("authorization", "cache-control", "content-type", "last-event-id")

_ANY: Final = "*"


class CORS:
    """A policy for pages of other origins.

    An ``EventSource`` never sends a preflight. A ``fetch`` with ``Last-Event-ID`` or
    ``Authorization``, or with a JSON body, sends one, and this policy answers it.

    :param origins: an origin as browsers send it, such as ``"https://app.example"``, or several;
        ``"*"`` for every page
    :param credentials: whether these pages may send cookies, as an ``EventSource`` does with
        ``withCredentials``; not with ``"*"``, which browsers refuse
    :param headers: request headers that a ``fetch`` may set in addition to ``Authorization``,
        ``Cache-Control``, ``Content-Type`` and ``Last-Event-ID``
    :param max_age: seconds for which a browser may remember the answer to a preflight
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: a str is no origin, or can never match, or ``"*"`` comes with credentials
    """

    __slots__ = ("_credentials", "_origins", "_preflight")

    def __init__(
        self,
        origins: str | Iterable[str],
        *,
        credentials: bool = False,
        headers: Iterable[str] = (),
        max_age: int = 600,
    ) -> None:
        self._origins = _check_origins(origins)
        if checks.flag("credentials", credentials) and _ANY in self._origins:
            raise ValueError("credentials are not for '*': name the origins (WHATWG Fetch, 3.3.5)")
        max_age = checks.integer("max_age", max_age, least=0, unit="seconds")
        self._credentials = credentials
        names = dict.fromkeys((*_REQUEST_HEADERS, *_check_names(headers)))
        self._preflight = (
            ("access-control-allow-headers", ", ".join(names)),
            ("access-control-max-age", str(max_age)),
        )

    def headers(self, connection: Connection) -> Headers:
        """Return the headers for the answer to ``connection``; they go with every status."""
        if _ANY in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        origin = connection.headers.get("origin")
        # A cache must not give one origin the answer for another, or for a request without one.
        fields: Headers = [(b"vary", b"origin")]
        if origin in self._origins:
            fields.append((b"access-control-allow-origin", origin.encode()))
            if self._credentials:
                fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def is_preflight(self, connection: Connection) -> bool:
        """Tell whether a browser asks for leave to send a request (WHATWG Fetch, 3.3.2)."""
        headers = connection.headers
        asks = "origin" in headers and "access-control-request-method" in headers
        return asks and connection.method == "OPTIONS"

    def answer_preflight(self, connection: Connection, methods: Iterable[str]) -> Refusal:
        """Return the answer to a preflight; :meth:`headers` go with it."""
        origin = connection.headers["origin"]
        if not self._origins & {_ANY, origin}:
            return Refusal(403, "pages of this origin may not read the stream")
        allowed = ("access-control-allow-methods", ", ".join(methods))
        return Refusal(204, headers=[allowed, *self._preflight])


CORSPolicy: TypeAlias = CORS | str | Iterable[str]
"""A policy, or only its origins."""


def _check_origins(origins: str | Iterable[str]) -> frozenset[str]:
    if not isinstance(origins, Iterable):
        raise TypeError(checks.refuse("origins", "a str or several", origins))
    names = (origins,) if isinstance(origins, str) else tuple(origins)
    if not names:
        raise ValueError("origins must name at least one origin")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(checks.refuse("origins", "of type str", name))
        matched = _ORIGIN.fullmatch(name)
        if name != _ANY and matched is None:
            raise ValueError(
                f"origins: {checks.shorten(name)} is not an origin: scheme://host or "
                "scheme://host:port, in lower case and without a path (RFC 6454, 6.2)"
            )
        if matched is not None and matched.group(1, 3) in _DEFAULT_PORTS:
            raise ValueError(f"origins: browsers leave out the default port of {name!r}")
    return frozenset(names)


def _check_names(headers: Iterable[str]) -> list[str]:
    if isinstance(headers, str) or not isinstance(headers, Iterable):
        raise TypeError(checks.refuse("headers", "names of request headers", headers))
    names = list(headers)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(checks.refuse("headers", "of type str", name))
        if not is_token(name):
            raise ValueError(f"headers: {checks.shorten(name)} is not a field name (RFC 9110, 5.1)")
    return [name.lower() for name in names]
