"""How long Python's garbage collector stops a server, and the guide's advice that shortens it."""

from __future__ import annotations

import gc
from time import perf_counter
from typing import Any, Final

__all__ = ["Pauses", "follow_advice"]

THRESHOLDS: Final = (20_000, 5, 50)
"""As examples/guide/speed.md says."""


class Pauses:
    """The runs of the garbage collector, from now on."""

    def __init__(self) -> None:
        self._begin = 0.0
        self._seconds: list[float] = []
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        now = perf_counter()
        if phase == "start":
            self._begin = now
        else:
            self._seconds.append(now - self._begin)

    def taken(self) -> dict[str, float]:
        """Return the longest and all pauses since the last call, in seconds, and their number."""
        seconds, self._seconds = self._seconds, []
        return {
            "longest": max(seconds, default=0.0),
            "whole": sum(seconds),
            "times": len(seconds),
        }


def follow_advice() -> None:
    """Do what the guide advises for a process of many clients, once it is ready to serve."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
