"""A TCP proxy that is slow, forgetful, or loses answers, connections, or all words."""

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
        self.rate = 0.0
        """Bytes a second that a connection takes in each direction; 0: as fast as it can."""
        self.forgets_after = 0.0
        """Seconds of silence after which a connection passes nothing on any more; 0: never."""
        self.received = 0
        """Bytes from the server so far."""
        self.sent = 0
        """Bytes to the server so far."""
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
        moved = anyio.current_time()

        async def take_time(data: bytes) -> None:
            nonlocal moved
            await self._unless_mute()
            if self.forgets_after and anyio.current_time() - moved > self.forgets_after:
                await anyio.sleep_forever()
            moved = anyio.current_time()
            if self.rate:
                await anyio.sleep(len(data) / self.rate)

        async def answers() -> None:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    data = await server.receive()
                    if doomed:
                        self.cuts += 1
                        break
                    self.received += len(data)
                    await take_time(data)
                    await client.send(data)
            scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    request = await client.receive()
                    self.sent += len(request)
                    await take_time(request)
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
