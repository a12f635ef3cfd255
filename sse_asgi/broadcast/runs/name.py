"""The name of a run, and the topic of its events."""

from __future__ import annotations

from typing import Final

from ... import checks
from ...errors import UnknownRun

__all__ = ["check_name", "known_topic", "topic_of"]

_MOST: Final = 200
_PREFIX: Final = "sse-asgi:run:"


def check_name(run: object) -> str:
    """Return ``run`` if a run may have that name.

    :raises TypeError: it is not a str
    :raises ValueError: it is empty, longer than 200 characters, or not printable
    """
    name = checks.text("id", run, empty=False)
    if len(name) > _MOST or not name.isprintable():
        rule = f"at most {_MOST} printable characters"
        raise ValueError(checks.refuse("id", rule, name))
    return name


def topic_of(run: str) -> str:
    """Return the topic of the events of a run."""
    return _PREFIX + run


def known_topic(run: str) -> str:
    """Return the topic of a run that may exist: clients send IDs of any shape.

    :raises TypeError: ``run`` is not a str
    :raises UnknownRun: no run can have that name
    """
    try:
        return topic_of(check_name(run))
    except ValueError:
        raise UnknownRun(run) from None
