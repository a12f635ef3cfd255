"""The figures that the simulation takes as given, each with its source."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BACKLOG",
    "BLOCK",
    "CONNECT",
    "CPU_SHARE",
    "DEFAULT_RETRY",
    "DELIVERY",
    "FIREFOX_RETRY",
    "FIREFOX_SHARE",
    "HANDLER",
    "LEAVE",
    "MEMORY",
    "PING",
    "REPLAY",
    "RESTART",
    "STEADY_LONGEST",
    "STEADY_SHORTEST",
    "SYN_TIMEOUT",
]

# -- workers: uvicorn with uvloop on one core, from examples/guide/speed.md -----------------------

CONNECT: Final = 82e-6
"""CPU seconds of a connection: 64 µs of bare ASGI, times 1.28."""

LEAVE: Final = 43e-6
"""CPU seconds of the end of a connection: 23 µs of bare ASGI, times 1.84."""

DELIVERY: Final = 10e-6
"""CPU seconds of an event for one of thousands of clients."""

PING: Final = 47e-6
"""CPU seconds of a keep-alive: 2.8 s for 1,000 clients and 60 of them."""

REPLAY: Final = 0.3e-6
"""CPU seconds of one old event, for a client that resumes."""

MEMORY: Final = 14.6 * 1024
"""Bytes of an idle client, without those of the kernel."""

BACKLOG: Final = 2048
"""Connections that wait to be accepted: uvicorn's ``--backlog``."""

# -- browsers: measured in Chromium 150, Firefox 140 and WebKitGTK 2.50 ----------------------------

DEFAULT_RETRY: Final = 3.0
"""Seconds after which Chromium and WebKit come back, if no ``retry`` was sent."""

FIREFOX_RETRY: Final = 5.0

STEADY_SHORTEST: Final = 0.5
STEADY_LONGEST: Final = 30.0
"""SteadyEventSource waits for a random part of 0.5 s, 1 s, 2 s ... 30 s after each failure."""

SYN_TIMEOUT: Final = 1.0
"""Seconds after which Linux asks again for a connection that was dropped; then twice as many."""

# -- assumptions, which are not measured -----------------------------------------------------------

FIREFOX_SHARE: Final = 0.05

HANDLER: Final = 2e-3
"""CPU seconds that an application spends on a new client: who is it, and what may it see."""

RESTART: Final = 2.0
"""Seconds from the end of a worker to its first answer."""

CPU_SHARE: Final = 0.5
"""The part of a core that a worker should use at most, so that a deploy finds room."""

BLOCK: Final = 2.0
"""Seconds that each read of a worker waits in Redis: the option ``block`` of the backend."""
