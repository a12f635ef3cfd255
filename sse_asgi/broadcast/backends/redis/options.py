"""The bounds of a log in Redis, and of the waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .... import checks

__all__ = ["Retention", "Timing"]

# A token is kept for 120 s: the last attempt must be well within. The hub waits for 90 s.
_MAX_PUBLISH_TIMEOUT: Final = 60.0
_MAX_BLOCK: Final = 60.0


class Retention(NamedTuple):
    """How much of the log Redis keeps."""

    max_events: int
    max_bytes: int
    max_age_ms: int

    @classmethod
    def of(cls, max_events: int, max_bytes: int, max_age: float | None) -> Retention:
        """Check the three options.

        :raises TypeError: one is of the wrong type
        :raises ValueError: one is out of its range
        """
        age = checks.optional_seconds("max_age", max_age, none="no limit")
        return cls(
            checks.integer("max_events", max_events, least=1),
            checks.integer("max_bytes", max_bytes, least=1),
            0 if age is None else max(1, round(age * 1000)),
        )


@dataclass(frozen=True)
class Timing:
    """Seconds that a publication and a poll take at most."""

    publish: float
    poll: float

    @classmethod
    def of(cls, publish_timeout: float, block: float) -> Timing:
        """Check the two options.

        :raises TypeError: one is of the wrong type
        :raises ValueError: one is out of its range
        """
        most = _MAX_PUBLISH_TIMEOUT
        return cls(
            checks.seconds("publish_timeout", publish_timeout, least=0.05, most=most),
            checks.seconds("block", block, least=0.05, most=_MAX_BLOCK),
        )
