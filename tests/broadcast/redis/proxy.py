"""A TCP proxy that loses answers, connections, or all words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import ByteStream, SocketAttribute

__all__ = ["Proxy"]


class Proxy:
    """Stands between the backend and its engine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.connections = 0
        """How many there are now."""
        self.accepted = 0
        """How many there were so far."""
        self.is_mute = False
        """Whether it passes nothing on any more, and closes nothing either."""
        self.cut: Callable[[bytes], bool] = lambda request: False
        """Told what the backend sends; True cuts the connection when the answer arrives."""
        self.cuts = 0
        self._scopes: set[anyio.CancelScope] = set()

    @property
    def url(self) -> str:
        """Where the backend finds the proxy."""
        return f"redis://127.0.0.1:{self.port}"

    def kill_all(self) -> None:
        """Cut all connections."""
        for scope in self._scopes:
            scope.cancel()

    async def _handle(self, client: ByteStream) -> None:
        self.accepted += 1
        self.connections += 1
        try:
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                async with client, await anyio.connect_tcp("127.0.0.1", self.target) as server:
                    await self._pass_on(client, server, scope)
        except OSError:
            pass
        finally:
            self._scopes.discard(scope)
            self.connections -= 1

    async def _pass_on(
        self, client: ByteStream, server: ByteStream, scope: anyio.CancelScope
    ) -> None:
        doomed = False

        async def answers() -> None:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    data = await server.receive()
                    if doomed:
                        self.cuts += 1
                        break
                    await self._unless_mute()
                    await client.send(data)
            scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    request = await client.receive()
                    await self._unless_mute()
                    doomed = doomed or self.cut(request)
                    await server.send(request)
            scope.cancel()

    async def _unless_mute(self) -> None:
        if self.is_mute:
            await anyio.sleep_forever()

    @classmethod
    @asynccontextmanager
    async def open(cls, target: int) -> AsyncIterator[Proxy]:
        """Listen until the block ends."""
        proxy = cls(target)
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            proxy.port = listener.extra(SocketAttribute.local_port)
            tasks.start_soon(listener.serve, proxy._handle)
            yield proxy
            tasks.cancel_scope.cancel()
