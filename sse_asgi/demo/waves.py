"""The three waves that the demo sends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import sin, tau

__all__ = ["Waves"]


class Waves:
    """Makes three related signals from -1 to 1: a slow tide, the swell on it, the spray on top."""

    def __init__(self, noise: Callable[[], float] | None = None) -> None:
        self._noise = random.Random().random if noise is None else noise
        self._drift = 0.0

    def now(self) -> dict[str, object]:
        """Return the time in milliseconds and the signals at that time, as the page reads them."""
        t = time.time()
        return {"t": round(t * 1000, 1), "v": self.at(t)}

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Return tide, swell and spray at a time. The spray also depends on earlier calls."""
        self._drift = 0.86 * self._drift + 0.16 * (self._noise() - 0.5)
        tide = 0.46 * sin(tau * seconds / 23.0) + 0.14 * sin(tau * seconds / 9.1 + 1.0)
        strength = 0.30 + 0.16 * sin(tau * seconds / 17.0)
        swell = 0.62 * tide + strength * sin(tau * seconds / 3.7)
        spray = 0.9 * swell + self._drift + 0.12 * sin(tau * seconds / 0.9)
        return _bounded(tide), _bounded(swell), _bounded(spray)


def _bounded(value: float) -> float:
    return round(max(-1.0, min(1.0, value)), 3)
