"""Finds the primary, the only server that is read and written, anew for every connection."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from anyio.abc import TaskGroup
from coredis.connection import TCPLocation, UnixDomainSocketLocation
from coredis.exceptions import ConnectionError  # noqa: A004

from .connection import TRANSIENT, RedisConnection, Refused
from .endpoint import Address, Credentials, Endpoint, Node

__all__ = ["PrimaryFinder"]

_RUN_ID: Final = re.compile(rb"run_id:([0-9a-f]{8})")

logger: Final = logging.getLogger("sse_asgi")


class PrimaryFinder:
    """Opens connections to the server that is the primary for ``key`` now.

    :param credentials: of the server
    :param sentinel_credentials: of the sentinels
    """

    def __init__(
        self,
        address: Address,
        key: str,
        *,
        context: ssl.SSLContext | None,
        credentials: Credentials,
        sentinel_credentials: Credentials,
    ) -> None:
        self._address = address
        self._key = key
        self._context = context
        self._credentials = credentials
        self._sentinel_credentials = sentinel_credentials
        self._nodes = address.nodes
        self._warned = False

    async def connect(self, tasks: TaskGroup) -> RedisConnection:
        """Open a connection to the primary, whose task runs in ``tasks``.

        :raises Refused: the server does not let us in, or is too old
        :raises Exception: one of :data:`~.connection.TRANSIENT`
        """
        if self._address.path is not None:
            node = None
        elif self._address.kind == "sentinel":
            node = await self._ask(tasks, self._ask_sentinel)
        elif self._address.kind == "cluster":
            node = await self._ask(tasks, self._ask_cluster)
        else:
            (node,) = self._nodes
        connection = await RedisConnection.open(tasks, self._endpoint(node))
        try:
            await self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _check(self, connection: RedisConnection) -> None:
        """Refuse a server that is not the primary, and note which start of the server it is."""
        server = await connection.command(b"HELLO")
        if server[b"mode"] == b"cluster" and self._address.kind != "cluster":
            raise Refused(f"{self} belongs to a cluster: the URL must begin with redis+cluster")
        self._check_role(server)
        try:
            match = _RUN_ID.search(await connection.command(b"INFO", b"server"))
        except Refused as exc:
            match = None
            if not self._warned:
                self._warned = True
                logger.warning(
                    "a restart of Redis at %s that lost entries may go unnoticed"
                    " (grant the user +info): %s",
                    self,
                    exc,
                )
        connection.run_id = match[1].decode() if match is not None else ""

    async def confirm(self, connection: RedisConnection) -> None:
        """Raise if the server, silent for a while, is no longer the primary.

        :raises ConnectionError: it is a replica now. It tells those that wait for an entry at that
            very moment, and nobody else
        """
        self._check_role(await connection.command(b"HELLO"))

    def _check_role(self, server: Mapping[bytes, bytes]) -> None:
        # A primary that was replaced takes no writes, and hears of none.
        if server[b"role"] != b"master":
            raise ConnectionError(f"{self} is a {server[b'role'].decode()} now")

    def _endpoint(self, node: Node | None) -> Endpoint:
        path = self._address.path
        location = TCPLocation(*node) if node is not None else UnixDomainSocketLocation(path or "")
        return Endpoint(location, self._context, self._credentials, self._address.db)

    async def _ask(
        self, tasks: TaskGroup, question: Callable[[TaskGroup, Node], Awaitable[Node]]
    ) -> Node:
        """Return the first answer that one of the nodes gives."""
        cause: Exception | None = None
        for node in self._nodes:
            try:
                return await question(tasks, node)
            except TRANSIENT as exc:
                cause = exc
        raise ConnectionError(f"nobody tells where the primary of {self} is") from cause

    async def _ask_sentinel(self, tasks: TaskGroup, node: Node) -> Node:
        endpoint = Endpoint(TCPLocation(*node), self._context, self._sentinel_credentials)
        connection = await RedisConnection.open(tasks, endpoint)
        try:
            service = self._address.service
            answer = await connection.command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service)
        finally:
            connection.close()
        if answer is None:
            raise ConnectionError(f"the sentinel at {node[0]}:{node[1]} knows no {service!r}")
        host, port = answer
        return host.decode(), int(port)

    async def _ask_cluster(self, tasks: TaskGroup, node: Node) -> Node:
        connection = await RedisConnection.open(tasks, self._endpoint(node))
        try:
            slot = await connection.command(b"CLUSTER", b"KEYSLOT", self._key)
            ranges = await connection.command(b"CLUSTER", b"SLOTS")
            peer = connection.peer
        finally:
            connection.close()

        def resolve(server: Any) -> Node:
            return _node(server, node, peer, tls=self._address.tls)

        # The cluster may outlive every node that the URL names.
        nodes = {resolve(server) for _, _, *servers in ranges for server in servers}
        self._nodes = (*self._address.nodes, *sorted(nodes.difference(self._address.nodes)))
        for first, last, primary, *_ in ranges:
            if first <= slot <= last:
                return resolve(primary)
        raise ConnectionError("the cluster has no primary for the slot now")

    def __str__(self) -> str:
        address = self._address
        where = address.path or ",".join(f"{host}:{port}" for host, port in address.nodes)
        return f"{address.service}@{where}" if address.service else where


def _node(server: Any, asked: Node, peer: str, *, tls: bool) -> Node:
    """Return a node of ``CLUSTER SLOTS``. Without a host it is the one that was asked.

    A certificate is often made out to a host name although the cluster knows addresses. So with TLS
    the name that the node announces comes first, or the URL's name for the same address.
    """
    host, port, *more = server
    host = host.decode() if host else asked[0]
    if tls:
        names = more[1] if len(more) > 1 else {}
        if isinstance(names, list):  # a map in the older protocol
            names = dict(zip(names[::2], names[1::2], strict=False))
        if names.get(b"hostname"):
            host = names[b"hostname"].decode()
        elif host == peer:
            host = asked[0]
    return host, int(port)
