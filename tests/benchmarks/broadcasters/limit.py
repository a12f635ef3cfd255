"""The limit: bare ASGI, one queue and one future per client, each event encoded once.

It checks no line ending and bounds nothing. Its watch for the disconnect costs nothing while the
client is there; without it, clients that have left would be published to.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections import deque
from typing import Any

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened
from tests.benchmarks.peers.limit import START

__all__ = ["BROADCASTER"]


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


async def _watch(receive: Any, client: Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.put({})


def _make() -> Broadcast:
    clients: set[Client] = set()

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
