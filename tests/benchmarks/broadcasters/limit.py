"""The limit: bare ASGI, one queue and one future per client, each event encoded once.

It checks no line ending and bounds nothing. One timer pings all clients. Its watch for the
disconnect costs nothing while the client is there; without it, clients that have left would be
published to.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections import deque
from typing import Any

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened
from tests.benchmarks.peers.limit import START

__all__ = ["BROADCASTER"]

PING = 15.0
PING_MESSAGE = {"type": "http.response.body", "body": b": ping\n\n", "more_body": True}


class Client:
    """What one client has still to get, and the future that its task waits for."""

    __slots__ = ("messages", "wake")

    def __init__(self) -> None:
        self.messages: deque[dict[str, Any]] = deque()
        self.wake: Future[None] | None = None

    def put(self, message: dict[str, Any]) -> None:
        """Queue a message, and wake the task if it waits."""
        self.messages.append(message)
        if self.wake is not None:
            self.wake.set_result(None)
            self.wake = None


class Pings:
    """Pings all clients at once, every 15 seconds."""

    def __init__(self, clients: set[Client]) -> None:
        self._clients = clients
        self._wait()

    def _wait(self) -> None:
        get_running_loop().call_later(PING, self._send)

    def _send(self) -> None:
        for client in self._clients:
            client.put(PING_MESSAGE)
        self._wait()


async def _watch(receive: Any, client: Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.put({})


def _make() -> Broadcast:
    clients: set[Client] = set()
    Pings(clients)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loop, client = get_running_loop(), Client()
        messages = client.messages
        await send(START)
        clients.add(client)
        watch = loop.create_task(_watch(receive, client))
        while True:
            while messages:
                if not (message := messages.popleft()):
                    clients.discard(client)
                    await watch
                    return
                await send(message)
            client.wake = loop.create_future()
            await client.wake

    async def publish(text: str, count: int) -> None:
        for _ in range(count):
            body = f"data: {text}\n\n".encode()
            message = {"type": "http.response.body", "body": body, "more_body": True}
            for client in clients:
                client.put(message)

    return Broadcast(app, publish)


BROADCASTER = Broadcaster("limit", opened(_make))
