"""The names of the events that this library sends by itself."""

from __future__ import annotations

from typing import Final

__all__ = ["DONE", "ENDED", "GAP", "POSITION", "STARTED"]

POSITION: Final = "position"
"""The event of a hub that tells a client where it stands."""

GAP: Final = "gap"
"""The event of a hub that tells a client which events it has missed for good."""

DONE: Final = "done"
"""The last event of a stream that is complete."""

STARTED: Final = "started"
"""The first event of a run."""

ENDED: Final = "ended"
"""The last event of a run, which tells how it ended."""
