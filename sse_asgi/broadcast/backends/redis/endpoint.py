"""Where the engine is: what the URL says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

__all__ = ["Address", "Node"]

Node = tuple[str, int]
"""A host and a port."""

# Whether the scheme asks for TLS, and how the primary is found.
_SCHEMES: Final = MappingProxyType(
    {
        "redis": (False, "direct"),
        "rediss": (True, "direct"),
        "valkey": (False, "direct"),
        "valkeys": (True, "direct"),
        "unix": (False, "direct"),
        "redis+sentinel": (False, "sentinel"),
        "rediss+sentinel": (True, "sentinel"),
        "redis+cluster": (False, "cluster"),
        "rediss+cluster": (True, "cluster"),
    }
)
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
# An IPv6 address stands in brackets (RFC 3986, section 3.2.2).
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/\s]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Address:
    """A parsed URL. Its representation shows no password."""

    kind: str
    """``"direct"``, ``"sentinel"`` or ``"cluster"``."""
    tls: bool
    nodes: tuple[Node, ...]
    """The server, the sentinels, or some nodes of the cluster; none with a ``path``."""
    path: str | None = None
    """The server's Unix domain socket."""
    service: str = ""
    """What the sentinels call the primary."""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: object) -> Address:
        """Read a URL.

        :raises TypeError: ``url`` is not a string
        :raises ValueError: it is not the URL of an engine; the message shows no password
        """
        if not isinstance(url, str):
            raise TypeError(f"url must be a string, not {type(url).__name__}")
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise ValueError(f"url must begin with one of {known}, not {parts.scheme!r}")
        tls, kind = _SCHEMES[parts.scheme]
        if parts.fragment:
            raise ValueError("url must have no fragment: write # in a password as %23")
        userinfo, _, hosts = parts.netloc.rpartition("@")
        username, _, password = userinfo.partition(":")
        path, service, db = _path(parts, kind)
        return cls(
            kind=kind,
            tls=tls,
            nodes=() if path else _nodes(hosts, kind),
            path=path,
            service=service,
            db=db,
            username=unquote(username) or None,
            password=unquote(password) or None,
        )


def _path(parts: SplitResult, kind: str) -> tuple[str | None, str, int]:
    """Return the socket's path, the service and the database."""
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    db = query.pop("db", "")
    if query:
        raise ValueError(f"url has unknown parameters: {', '.join(sorted(query))}")
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.path == "/":
            raise ValueError("url must name a socket by its absolute path: unix:///run/redis.sock")
        return unquote(parts.path), "", _db(db)
    first, _, rest = unquote(parts.path).removeprefix("/").partition("/")
    if kind == "sentinel":
        if not first:
            raise ValueError("url must name the service: redis+sentinel://host:26379/mymaster")
        return None, first, _db(rest or db)
    if rest:
        raise ValueError(f"url has a path too long: {parts.path!r}")
    if kind == "cluster" and (first or db):
        raise ValueError("url must name no database: a cluster has one only")
    return None, "", _db(first or db)


def _db(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"url must have a number as its database, not {text!r}")
    return int(text or 0)


def _nodes(hosts: str, kind: str) -> tuple[Node, ...]:
    """Return the hosts, which commas separate."""
    default = _SENTINEL_PORT if kind == "sentinel" else _PORT
    nodes = []
    for host in hosts.split(",") if hosts else ["localhost"]:
        match = _HOST.fullmatch(host)
        if match is None or not 0 < int(match[3] or default) < 65536:
            raise ValueError(f"url must have hosts of the form host or host:port, not {host!r}")
        nodes.append((match[1] or match[2], int(match[3] or default)))
    if kind == "direct" and len(nodes) > 1:
        raise ValueError("url must have one host; several are for +sentinel and +cluster")
    return tuple(nodes)
