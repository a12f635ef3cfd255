"""One voice for wrong arguments: the field, the rule, and the value that the user wrote.

Each function checks one argument and returns it, so that a constructor reads as
``self._max_body = integer("max_body", max_body, least=0)``. A value of the wrong type is a
:exc:`TypeError`, an impossible one a :exc:`ValueError`. A ``bool`` is never a number.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from reprlib import Repr
from typing import Final, TypeVar, overload

__all__ = [
    "MAX_RETRY",
    "choice",
    "flag",
    "function",
    "integer",
    "milliseconds_range",
    "optional_function",
    "optional_integer",
    "optional_seconds",
    "refuse",
    "seconds",
    "shorten",
    "status",
    "text",
]

MAX_RETRY: Final = 2**31 - 1
"""The longest reconnection time in milliseconds. Browsers keep it in a 32-bit timer: with a larger
one they reconnect at once, again and again.
"""

T = TypeVar("T")


def refuse(name: str, rule: str, value: object) -> str:
    """Return the message for a value of ``name`` that breaks ``rule``."""
    return f"{name} must be {rule}, not {shorten(value)}"


class _Short(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60


_SHORT: Final = _Short()


def shorten(value: object) -> str:
    """Return the representation of any value, cut to a length that fits an error message."""
    return _SHORT.repr(value)


def integer(name: str, value: object, *, least: int, most: float = inf, unit: str = "") -> int:
    """Return ``value`` if it is an int from ``least`` to ``most``.

    :param unit: what the number counts, for the message
    :raises TypeError: it is not an int
    :raises ValueError: it is out of range
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(refuse(name, f"an int{f' ({unit})' if unit else ''}", value))
    if not least <= value <= most:
        raise ValueError(refuse(name, _range(least, most), value))
    return int.__int__(value)  # a member of an enum formats as its name


def optional_integer(name: str, value: object, *, least: int) -> int | None:
    """Return ``value`` if it is None, for no limit, or an int of at least ``least``.

    :raises TypeError: it is neither
    :raises ValueError: it is too small
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(refuse(name, "an int or None", value))
    if value < least:
        raise ValueError(refuse(name, f"{least} or above, or None for no limit", value))
    return int.__int__(value)


def seconds(name: str, value: object, *, least: float = 0, most: float = inf) -> float:
    """Return ``value`` if it is a finite number of seconds from ``least`` to ``most``.

    :raises TypeError: it is not a number
    :raises ValueError: it is out of range, infinite or NaN
    """
    number = _number(name, value)
    if not least <= number <= most or number == inf:
        raise ValueError(refuse(name, _range(least, most, " seconds"), value))
    return number


def optional_seconds(name: str, value: object, *, none: str = "never") -> float | None:
    """Return ``value`` if it is None or a finite number of seconds above 0.

    :param none: the meaning of None, for the message
    :raises TypeError: it is neither
    :raises ValueError: it is not above 0, infinite or NaN
    """
    if value is None:
        return None
    number = _number(name, value)
    if not 0 < number < inf:
        raise ValueError(refuse(name, f"above 0, or None for {none}", value))
    return number


def milliseconds_range(name: str, value: object, *, least: int = 0) -> tuple[int, int]:
    """Return ``value`` if it is two rising reconnection times in milliseconds.

    :raises TypeError: it is not a tuple of two ints
    :raises ValueError: they do not rise, or one is out of range
    """
    if not isinstance(value, tuple) or len(value) != 2 or {type(end) for end in value} != {int}:
        raise TypeError(refuse(name, "two ints (milliseconds) or None", value))
    low, high = value
    if not least <= low <= high <= MAX_RETRY:
        rule = f"two rising numbers of milliseconds from {least} to {MAX_RETRY}"
        raise ValueError(refuse(name, rule, value))
    return low, high


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is a bool.

    :raises TypeError: it is not
    """
    if type(value) is not bool:
        raise TypeError(refuse(name, "a bool", value))
    return value


def function(name: str, value: T) -> T:
    """Return ``value`` if it can be called.

    :raises TypeError: it cannot
    """
    if not callable(value):
        raise TypeError(refuse(name, "callable", value))
    return value


def optional_function(name: str, value: T) -> T:
    """Return ``value`` if it is None or can be called.

    :raises TypeError: it is neither
    """
    return value if value is None else function(name, value)


def choice(name: str, value: T, allowed: Collection[object]) -> T:
    """Return ``value`` if it is one of ``allowed``.

    :raises ValueError: it is not
    """
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ValueError(refuse(name, _alternatives(allowed), value))
    return value


@overload
def text(name: str, value: object, *, empty: bool = ..., optional: bool) -> str | None: ...
@overload
def text(name: str, value: object, *, empty: bool = ...) -> str: ...
def text(name: str, value: object, *, empty: bool = True, optional: bool = False) -> str | None:
    """Return ``value`` if it is a str.

    :param empty: whether it may be empty
    :param optional: whether it may be None
    :raises TypeError: it is not a str
    :raises ValueError: it is empty
    """
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise TypeError(refuse(name, "a str or None" if optional else "a str", value))
    if not value and not empty:
        raise ValueError(f"{name} must not be empty")
    return value


def status(value: object) -> int:
    """Return ``value`` if it is the status of a final response (RFC 9110, 15).

    :raises TypeError: it is not an int
    :raises ValueError: it is not from 200 to 599
    """
    return integer("status", value, least=200, most=599)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(refuse(name, "a number of seconds", value))
    return value


def _range(least: float, most: float, unit: str = "") -> str:
    if most == inf:
        return f"{least:g} or above"
    return f"from {least:g} to {most:g}{unit}"


def _alternatives(allowed: Collection[object]) -> str:
    *others, last = [str(one) if one is None else repr(one) for one in allowed]
    return f"{', '.join(others)} or {last}"
