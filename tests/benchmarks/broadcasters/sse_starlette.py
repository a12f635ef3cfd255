"""sse-starlette, as its broadcasting example does it: a queue and an iterator per client."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened

__all__ = ["BROADCASTER"]

SIZE = 100

Clients = set[Queue[ServerSentEvent]]


class Follower:
    """The content of one client's stream: asks before each event whether the client is there."""

    def __init__(self, request: Request, clients: Clients) -> None:
        self._request = request
        self._clients = clients
        self._queue: Queue[ServerSentEvent] = Queue(SIZE)

    def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        self._clients.add(self._queue)
        return self

    async def __anext__(self) -> ServerSentEvent:
        try:
            if await self._request.is_disconnected():
                raise StopAsyncIteration
            return await self._queue.get()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Be published to no more."""
        self._clients.discard(self._queue)


def _make() -> Broadcast:
    clients: Clients = set()

    async def endpoint(request: Request) -> EventSourceResponse:
        return EventSourceResponse(Follower(request, clients))

    async def publish(text: str, count: int) -> None:
        for _ in range(count):
            event = ServerSentEvent(data=text)
            for queue in clients:
                queue.put_nowait(event)

    return Broadcast(Starlette(routes=[Route("/", endpoint)]), publish)


BROADCASTER = Broadcaster("sse-starlette", opened(_make))
