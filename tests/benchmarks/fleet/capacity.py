"""The load of a steady fleet, by the measured figures: how many clients fit, and Redis's share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .figures import BLOCK, CPU_SHARE, DELIVERY, MEMORY, PING

__all__ = ["Load", "loads"]

RATES = (0.0, 1.0, 10.0, 100.0)
"""Events a second that each client gets."""

PING_INTERVAL = 15.0
EVENT_BYTES = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What one rate of events means.

    :param rate: events a second that each client gets
    :param clients: the clients that use the allowed share of a worker's core
    :param memory: bytes of these clients in the worker
    :param reads: reads that a worker sends Redis in a second, at most
    :param traffic: bytes that Redis sends to twenty workers in a second
    """

    rate: float
    clients: int
    memory: float
    reads: float
    traffic: float


def loads(workers: int = 20) -> Iterator[Load]:
    """Yield the load by rate of events; where events come often, no ping is due."""
    for rate in RATES:
        pings = 0.0 if rate * PING_INTERVAL >= 1 else 1 / PING_INTERVAL
        clients = math.floor(CPU_SHARE / (rate * DELIVERY + pings * PING))
        reads = max(rate, 1 / BLOCK)
        yield Load(rate, clients, clients * MEMORY, reads, workers * rate * EVENT_BYTES)
