"""The demo's signal: a hub sends it to all pages."""

from __future__ import annotations

import anyio

from .. import Connection, ServerSentEvent
from ..broadcast import Hub, MemoryBackend, Subscription
from .waves import Waves

__all__ = ["Broadcast"]


class Broadcast:
    """One signal for all pages; each page also gets the events that it missed."""

    period: float = 0.1  # seconds
    linger: float = 30.0

    def __init__(self) -> None:
        self.hub: Hub = Hub(MemoryBackend(max_events=600))
        self.waves: Waves = Waves()

    def follow(self, connection: Connection) -> Subscription:
        """Replay the events that this client missed, then follow live."""
        return self.hub.subscribe(
            "signal",
            last_event_id=connection.last_event_id,
            start="oldest" if "history" in connection.query else "now",
        )

    async def publish(self, listeners: int) -> None:
        """Send the next event to all. A slow client holds up no other."""
        data = {**self.waves.now(), "n": listeners}
        event = ServerSentEvent(data, event="signal")
        await self.hub.publish("signal", event)

    async def run(self) -> None:
        """Publish while a client listens or may come back."""
        due = listened = anyio.current_time()
        while True:
            listeners = self.hub.snapshot().subscribers
            now = anyio.current_time()
            if listeners:
                listened = now
            if listeners or now - listened < self.linger:
                await self.publish(listeners)
            due = max(due + self.period, now)  # never a burst
            await anyio.sleep_until(due)
