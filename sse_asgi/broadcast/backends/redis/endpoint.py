"""Where Redis is, and how to get in: the URL, the credentials and TLS."""

from __future__ import annotations

import inspect
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from os import PathLike, fspath
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import anyio
from anyio.abc import ByteStream, SocketAttribute
from coredis.connection import TCPLocation, UnixDomainSocketLocation

__all__ = ["Address", "Credentials", "Endpoint", "Node", "Secret", "tls_context"]

Node: TypeAlias = tuple[str, int]
"""A host and a port."""

Secret: TypeAlias = str | Callable[[], str | Awaitable[str]] | None
"""A text, or a function that returns it: it is called for each connection."""

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
_BUFFER: Final = 262_144
"""Bytes that the system buffers of a request."""
# An IPv6 address stands in brackets (RFC 3986, section 3.2.2).
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/\s]+))(?::([0-9]{1,5}))?")
# Parameters that other clients take. A message may name these, and no other part of a URL.
_OTHER_CLIENTS: Final = frozenset(
    {"client_name", "decode_responses", "encoding", "health_check_interval", "max_connections"}
    | {"password", "protocol", "retry_on_timeout", "socket_connect_timeout", "socket_keepalive"}
    | {"socket_timeout", "ssl_ca_certs", "ssl_cert_reqs", "timeout", "username"}
)
_HINT: Final = " (a user name or password must be quoted: urllib.parse.quote(password, safe=''))"


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
    """The name that the sentinels have for the primary."""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: object) -> Address:
        """Read a URL.

        A password that is not quoted may make any part of the URL look like another one. So no
        message shows a part of the URL.

        :raises TypeError: ``url`` is not a string
        :raises ValueError: it is not the URL of a server
        """
        if not isinstance(url, str):
            raise TypeError(f"url must be a string, not {type(url).__name__}")
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = None
        if parts is None:
            _refuse("be a valid URL")
        if parts.scheme not in _SCHEMES:
            _refuse(f"begin with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
        tls, kind = _SCHEMES[parts.scheme]
        if parts.fragment:
            _refuse("have no fragment: write # in a password as %23")
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


def _refuse(rule: str) -> NoReturn:
    raise ValueError(f"url must {rule}{_HINT}")


def _path(parts: SplitResult, kind: str) -> tuple[str | None, str, int]:
    """Return the socket's path, the service and the database."""
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    db = query.pop("db", "")
    if query:
        known = f": {', '.join(sorted(query))}" if _OTHER_CLIENTS.issuperset(query) else ""
        raise ValueError(f"url has unknown parameters{known}{_HINT}")
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.path == "/":
            _refuse("name a socket by its absolute path: unix:///run/redis.sock")
        return unquote(parts.path), "", _db(db)
    first, _, rest = unquote(parts.path).removeprefix("/").partition("/")
    if kind == "sentinel":
        if not first:
            _refuse("name the service: redis+sentinel://host:26379/mymaster")
        return None, first, _db(rest or db)
    if rest:
        raise ValueError(f"url has a path too long{_HINT}")
    if kind == "cluster" and (first or db):
        _refuse("name no database: a cluster has one only")
    return None, "", _db(first or db)


def _db(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        _refuse("have a number as its database")
    return int(text or 0)


def _nodes(hosts: str, kind: str) -> tuple[Node, ...]:
    """Return the hosts, which commas separate."""
    default = _SENTINEL_PORT if kind == "sentinel" else _PORT
    nodes = []
    for host in hosts.split(",") if hosts else ["localhost"]:
        match = _HOST.fullmatch(host)
        if match is None or not 0 < int(match[3] or default) < 65536:
            _refuse("have hosts of the form host or host:port, with a port from 1 to 65535")
        nodes.append((match[1] or match[2], int(match[3] or default)))
    if kind == "direct" and len(nodes) > 1:
        _refuse("have one host; several are for +sentinel and +cluster")
    return tuple(nodes)


@dataclass(frozen=True)
class Credentials:
    """A user's name and password, or functions that return them."""

    username: Secret = None
    password: Secret = field(default=None, repr=False)

    @classmethod
    def of(cls, username: object, password: object, prefix: str = "") -> Credentials:
        """Check the two options.

        :param prefix: begins the names of the two options
        :raises TypeError: one is neither a string nor a function nor None; it is not shown
        """
        for name, value in (("username", username), ("password", password)):
            if value is not None and not isinstance(value, str) and not callable(value):
                kind = type(value).__name__
                rule = "a string, a function that returns one, or None"
                raise TypeError(f"{prefix}{name} must be {rule}, not {kind}")
        return cls(username, password)  # type: ignore[arg-type]

    async def resolve(self) -> tuple[str | None, str | None]:
        """Return the name and the password that are valid now.

        :raises ConnectionError: a function failed, or returned no string
        """
        return await _ask("username", self.username), await _ask("password", self.password)


async def _ask(name: str, secret: Secret) -> str | None:
    if secret is None or isinstance(secret, str):
        return secret
    try:
        found = secret()
        if inspect.isawaitable(found):
            found = await found
    except Exception as exc:
        raise ConnectionError(f"the function {name} raised {type(exc).__name__}") from exc
    if not isinstance(found, str):
        kind = type(found).__name__
        raise ConnectionError(f"the function {name} must return a string, not {kind}")
    return found


@dataclass(frozen=True)
class Endpoint:
    """One server to connect to, and how to get in."""

    location: TCPLocation | UnixDomainSocketLocation
    context: ssl.SSLContext | None = None
    credentials: Credentials = field(default_factory=Credentials)
    db: int = 0

    async def dial(self) -> ByteStream:
        """Return a stream to the server."""
        stream = await self._connect()
        _limit_buffer(stream.extra(SocketAttribute.raw_socket).fileno())
        return stream

    async def _connect(self) -> ByteStream:
        if isinstance(self.location, UnixDomainSocketLocation):
            return await anyio.connect_unix(self.location.path)
        host, port = self.location.host, self.location.port
        if self.context is None:
            return await anyio.connect_tcp(host, port)
        return await anyio.connect_tcp(
            host, port, ssl_context=self.context, tls_standard_compatible=False
        )


def _limit_buffer(descriptor: int) -> None:
    """Have the system buffer little of a request, so that its progress shows.

    Otherwise megabytes vanish into the buffer at once, and room for more comes seconds later. The
    socket is used by a twin, since an event loop's own socket object may not allow it.
    """
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)


def tls_context(
    tls: bool, ca_file: str | PathLike[str] | None, context: ssl.SSLContext | None
) -> ssl.SSLContext | None:
    """Return the context of the connections, None without TLS.

    :raises TypeError: ``context`` is no SSL context
    :raises ValueError: one is given without TLS, or beside ``ca_file``
    :raises OSError: ``ca_file`` cannot be read
    """
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {context!r}")
    if ca_file is not None and context is not None:
        raise ValueError("ca_file has no effect beside ssl_context: load it into the context")
    if not tls:
        if ca_file is not None or context is not None:
            raise ValueError("ca_file and ssl_context need a URL with TLS: rediss://")
        return None
    return context or ssl.create_default_context(
        cafile=None if ca_file is None else fspath(ca_file)
    )
