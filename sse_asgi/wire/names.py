"""The names of the events that this library sends by itself."""

from __future__ import annotations

from typing import Final

__all__ = ["DONE", "ENDED", "GAP", "JOINED", "LEFT", "POSITION", "STARTED"]

POSITION: Final = "position"
"""The event of a hub that tells a client where it stands."""

GAP: Final = "gap"
"""The event of a hub that tells a client which events it has missed for good."""

DONE: Final = "done"
"""The last event of a stream that is complete."""

JOINED: Final = "joined"
"""The event of presence that tells that a member has its first connection."""

LEFT: Final = "left"
"""The event of presence that tells that the last connection of a member is over."""

STARTED: Final = "started"
"""The first event of a run."""

ENDED: Final = "ended"
"""The last event of a run, which tells how it ended."""
