"""Litestar: its channels plugin, on memory, into its ServerSentEvent response."""

from __future__ import annotations

from collections.abc import AsyncIterator

from litestar import Litestar, get
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.response import ServerSentEvent

from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened

__all__ = ["BROADCASTER"]

CHANNEL = "news"


def _make() -> Broadcast:
    channels = ChannelsPlugin(MemoryChannelsBackend(), channels=[CHANNEL])

    async def events() -> AsyncIterator[bytes]:
        async with channels.start_subscription(CHANNEL) as subscriber:
            async for data in subscriber.iter_events():
                yield data

    @get("/", sync_to_thread=False)
    def handler() -> ServerSentEvent:
        return ServerSentEvent(events())

    async def publish(text: str, count: int) -> None:
        for _ in range(count):
            channels.publish(text, CHANNEL)

    return Broadcast(Litestar([handler], plugins=[channels], openapi_config=None), publish)


BROADCASTER = Broadcaster("litestar", opened(_make))
