"""One voice for wrong arguments: the field, the rule, and the value that the user wrote.

Each function checks one argument and returns it, so that a constructor reads as
``self._max_body = integer("max_body", max_body, least=0)``. A value of the wrong type is a
:exc:`TypeError`, an impossible one a :exc:`ValueError`. A ``bool`` is never a number.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from reprlib import Repr
from sys import float_info
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
    "optional_milliseconds_range",
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


_MAX_BITS: Final = 2048


class _Short(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring, self.maxother = 60, 100

    def repr_int(self, value: int, level: int) -> str:
        # Python converts no int of more than 4,300 digits to text.
        bits = value.bit_length()
        return f"an int of {bits} bits" if bits > _MAX_BITS else super().repr_int(value, level)

    def repr_instance(self, value: object, level: int) -> str:
        # The standard library shows the address of an object whose __repr__ fails.
        try:
            repr(value)
        except Exception:
            return f"an object of type {type(value).__name__}"
        return super().repr_instance(value, level)


_SHORT: Final = _Short()


def shorten(value: object) -> str:
    """Return the representation of any value, cut to a length that fits an error message.

    It never raises, whatever the value's own ``__repr__`` does.
    """
    try:
        return _SHORT.repr(value)
    except Exception:
        return f"an object of type {type(value).__name__}"


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
    :raises ValueError: it is out of range, infinite or NaN, or greater than any float
    """
    number = _number(name, value)
    if not least <= number <= most or number == inf:
        raise ValueError(refuse(name, _range(least, most, " seconds"), value))
    return _float_range(name, number)


def optional_seconds(name: str, value: object, *, none: str = "never") -> float | None:
    """Return ``value`` if it is None or a finite number of seconds above 0.

    :param none: the meaning of None, for the message
    :raises TypeError: it is neither
    :raises ValueError: it is not above 0, infinite or NaN, or greater than any float
    """
    if value is None:
        return None
    number = _number(name, value)
    if not 0 < number < inf:
        raise ValueError(refuse(name, f"above 0, or None for {none}", value))
    return _float_range(name, number)


def optional_milliseconds_range(name: str, value: object) -> tuple[int, int] | None:
    """Return ``value`` if it is None or two rising reconnection times in milliseconds.

    :raises TypeError: it is neither None nor a tuple of two ints
    :raises ValueError: they do not rise, or one is out of range
    """
    if value is None:
        return None
    if not _is_pair(value):
        raise TypeError(refuse(name, "two ints (milliseconds) or None", value))
    return milliseconds_range(name, value)


def milliseconds_range(name: str, value: object, *, least: int = 0) -> tuple[int, int]:
    """Return ``value`` if it is two rising reconnection times in milliseconds.

    :raises TypeError: it is not a tuple of two ints
    :raises ValueError: they do not rise, or one is out of range
    """
    if not isinstance(value, tuple) or not _is_pair(value):
        raise TypeError(refuse(name, "two ints (milliseconds)", value))
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

    :raises TypeError: it cannot be called
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


def _float_range(name: str, number: float) -> float:
    """Refuse an int that is greater than any float, since the clock's seconds are floats."""
    if number > float_info.max:
        raise ValueError(refuse(name, f"at most {float_info.max:g} seconds", number))
    return number


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and {type(end) for end in value} == {int}


def _range(least: float, most: float, unit: str = "") -> str:
    if most == inf:
        return f"{_plain(least)} or above"
    return f"from {_plain(least)} to {_plain(most)}{unit}"


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _alternatives(allowed: Collection[object]) -> str:
    *others, last = [str(one) if one is None else repr(one) for one in allowed]
    return f"{', '.join(others)} or {last}"
