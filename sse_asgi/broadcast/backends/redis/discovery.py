"""The engine's primary, which alone is read and written: found anew for every connection."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from anyio.abc import TaskGroup
from coredis.connection import TCPLocation, UnixDomainSocketLocation
from coredis.exceptions import ConnectionError  # noqa: A004

from .connection import PASSING, Link, Refused, Target
from .endpoint import Address, Node

__all__ = ["Primary"]


class Primary:
    """Opens connections to whichever server is the primary for ``key`` now.

    :param credentials: of the server: username and password
    :param sentinel_credentials: of the sentinels
    """

    def __init__(
        self,
        address: Address,
        key: str,
        *,
        context: ssl.SSLContext | None,
        credentials: tuple[str | None, str | None],
        sentinel_credentials: tuple[str | None, str | None],
    ) -> None:
        self._address = address
        self._key = key
        self._context = context
        self._credentials = credentials
        self._sentinel_credentials = sentinel_credentials
        self._nodes = address.nodes

    async def connect(self, tasks: TaskGroup) -> Link:
        """Open a connection to the primary, whose task runs in ``tasks``.

        :raises Refused: the engine does not let us in, or is too old
        :raises Exception: whatever :data:`~.link.PASSING` names
        """
        if self._address.path is not None:
            node = None
        elif self._address.kind == "sentinel":
            node = await self._ask(tasks, self._ask_sentinel)
        elif self._address.kind == "cluster":
            node = await self._ask(tasks, self._ask_cluster)
        else:
            (node,) = self._nodes
        link = await Link.open(tasks, self._target(node))
        try:
            server = await link.command(b"HELLO")
            if server[b"mode"] == b"cluster" and self._address.kind != "cluster":
                raise Refused(f"{self} belongs to a cluster: the URL must begin with redis+cluster")
            # A primary that was replaced takes no writes, and hears of none.
            if server[b"role"] != b"master":
                raise ConnectionError(f"{self} is a {server[b'role'].decode()} now")
        except BaseException:
            link.close()
            raise
        return link

    def _target(self, node: Node | None) -> Target:
        path = self._address.path
        location = TCPLocation(*node) if node is not None else UnixDomainSocketLocation(path or "")
        return Target(location, self._context, *self._credentials, self._address.db)

    async def _ask(
        self, tasks: TaskGroup, question: Callable[[TaskGroup, Node], Awaitable[Node]]
    ) -> Node:
        """Return the first answer that one of the nodes gives."""
        error: Exception | None = None
        for node in self._nodes:
            try:
                return await question(tasks, node)
            except PASSING as passing:
                error = passing
        raise ConnectionError(f"nobody tells where the primary of {self} is") from error

    async def _ask_sentinel(self, tasks: TaskGroup, node: Node) -> Node:
        target = Target(TCPLocation(*node), self._context, *self._sentinel_credentials)
        link = await Link.open(tasks, target)
        try:
            service = self._address.service
            answer = await link.command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service)
        finally:
            link.close()
        if answer is None:
            raise ConnectionError(f"the sentinel at {node[0]}:{node[1]} knows no {service!r}")
        host, port = answer
        return host.decode(), int(port)

    async def _ask_cluster(self, tasks: TaskGroup, node: Node) -> Node:
        link = await Link.open(tasks, self._target(node))
        try:
            slot = await link.command(b"CLUSTER", b"KEYSLOT", self._key)
            ranges = await link.command(b"CLUSTER", b"SLOTS")
        finally:
            link.close()
        # The cluster may outlive every node that the URL names.
        nodes = {_node(server, node) for _, _, *servers in ranges for server in servers}
        self._nodes = (*self._address.nodes, *sorted(nodes.difference(self._address.nodes)))
        for first, last, primary, *_ in ranges:
            if first <= slot <= last:
                return _node(primary, node)
        raise ConnectionError("the cluster has no primary for the slot now")

    def __str__(self) -> str:
        address = self._address
        where = address.path or ",".join(f"{host}:{port}" for host, port in address.nodes)
        return f"{address.service}@{where}" if address.service else where


def _node(server: Any, asked: Node) -> Node:
    """Return a node of ``CLUSTER SLOTS``: without a host it is the one that was asked."""
    host, port = server[0], server[1]
    return (host.decode() if host else asked[0]), int(port)
