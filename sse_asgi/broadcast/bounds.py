"""The bounds of a history, checked where they are given."""

from __future__ import annotations

from math import isfinite

__all__ = ["check_age", "check_count"]


def check_count(name: str, value: object) -> None:
    """Refuse what is no positive count.

    :raises TypeError: it is not an int
    :raises ValueError: it is below 1
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or above, not {value}")


def check_age(value: object) -> None:
    """Refuse what is no age.

    :raises TypeError: it is neither a number nor None
    :raises ValueError: it is not above 0
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"max_age must be a number of seconds or None, not {value!r}")
    if not isfinite(value) or value <= 0:
        raise ValueError(f"max_age must be above 0, or None for no limit, not {value!r}")
