"""sse_asgi: a hub on its memory, and the app that one mounts."""

from __future__ import annotations

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub
from tests.benchmarks.broadcaster import Broadcast, Broadcaster, opened

__all__ = ["BROADCASTER"]

TOPIC = "news"


def _make() -> Broadcast:
    hub = Hub()
    app = EventSourceApp(lambda c: hub.subscribe(TOPIC, last_event_id=c.last_event_id))

    async def publish(text: str, count: int) -> None:
        for _ in range(count):
            await hub.publish(TOPIC, text)

    return Broadcast(app, publish)


BROADCASTER = Broadcaster("sse_asgi", opened(_make))
