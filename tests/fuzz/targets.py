"""The targets, in the order of their turns."""

from __future__ import annotations

from typing import Final

from .decoder import DECODER
from .engine import ENGINES
from .headers import ACCEPT_ENCODING, LAST_EVENT_ID, RESUME
from .schedule import SCHEDULES
from .scopes import SCOPES
from .target import Target

__all__ = ["TARGETS"]

TARGETS: Final[tuple[Target, ...]] = (
    DECODER,
    LAST_EVENT_ID,
    RESUME,
    ACCEPT_ENCODING,
    SCOPES,
    SCHEDULES,
    ENGINES,
)
