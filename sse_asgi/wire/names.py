"""The names of the events that this library sends by itself."""

from __future__ import annotations

from typing import Final

__all__ = ["DONE", "ENDED", "EXPIRED", "GAP", "JOINED", "LEFT", "POSITION", "REVOKED", "STARTED"]

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

EXPIRED: Final = "expired"
"""The last event of a stream whose client must authenticate again, and may then come back."""

REVOKED: Final = "revoked"
"""The last event of a stream whose client may not have it any more; also the event of a topic that
tells the workers which key is revoked.
"""
