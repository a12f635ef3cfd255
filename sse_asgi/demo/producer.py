"""What the demo sends: three waves, computed once for all clients."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import sin, tau

import anyio

from .feed import Feed

__all__ = ["Waves", "produce"]

PERIOD = 0.1  # seconds from one event to the next
LINGER = 30.0  # seconds of signal for those who come back after the last client has gone


class Waves:
    """Three related signals between -1 and 1: a slow tide, the swell on it, the spray on top."""

    def __init__(self, noise: Callable[[], float] | None = None) -> None:
        self._noise = random.Random().random if noise is None else noise
        self._drift = 0.0

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Return tide, swell and spray at a time; the spray also depends on what went before."""
        self._drift = 0.86 * self._drift + 0.16 * (self._noise() - 0.5)
        tide = 0.46 * sin(tau * seconds / 23.0) + 0.14 * sin(tau * seconds / 9.1 + 1.0)
        strength = 0.30 + 0.16 * sin(tau * seconds / 17.0)
        swell = 0.62 * tide + strength * sin(tau * seconds / 3.7)
        spray = 0.9 * swell + self._drift + 0.12 * sin(tau * seconds / 0.9)
        return _bounded(tide), _bounded(swell), _bounded(spray)


async def produce(feed: Feed, *, period: float = PERIOD, linger: float = LINGER) -> None:
    """Publish the waves every ``period`` seconds, for ever; rest while nobody listens."""
    waves = Waves()
    due = listened = anyio.current_time()
    while True:
        now = anyio.current_time()
        if feed.readers:
            listened = now
        elif now - listened >= linger:
            await feed.changed()
            due = listened = anyio.current_time()
            continue
        stamp = time.time()
        values = [round(value, 3) for value in waves.at(stamp)]
        data = {"t": round(stamp * 1000, 1), "v": values, "n": len(feed.readers)}
        feed.publish(data, event="signal")
        due = max(due + period, now)  # after a stall go on from now, never with a burst
        await anyio.sleep_until(due)


def _bounded(value: float) -> float:
    return max(-1.0, min(1.0, value))
