"""The values by which a stream's authorisation ends: its keys, its expiry, its check.

Each is an option of a stream, or the result of a function of the user's for each request. So the
library checks a value when the option is given, and the result of a function for each stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from math import inf, isfinite
from typing import Any, Final, TypeAlias

from .. import checks
from ..errors import Refusal
from .connection import Connection

__all__ = [
    "Expiry",
    "Key",
    "Revalidate",
    "check_expiry_option",
    "check_key_option",
    "expiry_of",
    "keys_of",
    "unauthorized",
]

Keys: TypeAlias = str | Iterable[str] | None
Key: TypeAlias = Keys | Callable[[Connection], Keys | Awaitable[Keys]]
Expiry: TypeAlias = float | Callable[[Connection], float | Awaitable[float | None] | None] | None
Revalidate: TypeAlias = Callable[[Connection], bool | Awaitable[bool]]

_EARLIEST: Final = 1e9
"""2001-09-09. A smaller number is a duration, and no POSIX time."""

_LATEST: Final = 1e11
"""The year 5138. A larger number counts milliseconds."""

_EXPIRY_RULE: Final = (
    "a POSIX time in seconds, such as time.time() + 3600 or the exp of a token (RFC 7519, 4.1.4)"
)
_KEY_RULE: Final = "a str, several, or None"
_MOST_KEYS: Final = 100


def expiry_of(value: object) -> float:
    """Return the POSIX time at which a stream expires; infinity for None.

    :raises TypeError: it is neither None nor a number
    :raises ValueError: it counts no seconds since 1970
    """
    if value is None:
        return inf
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(checks.refuse("expires_at", f"{_EXPIRY_RULE}, or None", value))
    if not _EARLIEST <= value <= _LATEST or not isfinite(value):
        raise ValueError(checks.refuse("expires_at", _EXPIRY_RULE, value))
    return float(value)


def keys_of(value: object) -> frozenset[str]:
    """Return the keys by which a stream can be revoked.

    :raises TypeError: they are no texts
    :raises ValueError: one is empty, or there are more than 100
    """
    if value is None:
        return frozenset()
    keys = [value] if isinstance(value, str) else _several(value)
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(checks.refuse("key", _KEY_RULE, value))
        if not key:
            raise ValueError(checks.refuse("key", "a text that is not empty", value))
    if len(keys) > _MOST_KEYS:
        raise ValueError(f"key must be at most {_MOST_KEYS} texts, not {len(keys)}")
    return frozenset(keys)


def _several(value: object) -> list[Any]:
    if isinstance(value, (bytes, bytearray)) or not isinstance(value, Iterable):
        raise TypeError(checks.refuse("key", _KEY_RULE, value))
    return list(value)


def check_expiry_option(value: Any) -> None:
    """Refuse an option that is neither an expiry nor a function.

    :raises TypeError: it is of another type
    :raises ValueError: it counts no seconds since 1970
    """
    if not callable(value):
        expiry_of(value)


def check_key_option(value: Any) -> None:
    """Refuse an option that is neither a key, nor several, nor a function.

    :raises TypeError: it is of another type
    :raises ValueError: a key is empty, or there are more than 100
    """
    if not callable(value):
        if isinstance(value, Iterable) and iter(value) is value:
            # It would be empty for the second stream.
            raise TypeError(checks.refuse("key", "a str, a list of them, or None", value))
        keys_of(value)


def unauthorized() -> Refusal:
    """Return the answer to a client that may not have the stream.

    A 401 names the way to authenticate (RFC 9110, 11.6.1; RFC 6750, 3.1). An ``EventSource`` never
    reconnects after it.
    """
    return Refusal(401, "", {"www-authenticate": 'Bearer error="invalid_token"'})
