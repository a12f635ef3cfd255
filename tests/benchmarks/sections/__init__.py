"""The sections; each is a module here whose function ``rows`` measures and yields its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import TypeAlias, cast

from ..bench import Bench
from ..measure import Row

__all__ = ["SECTIONS", "Rows", "load_rows"]

Rows: TypeAlias = Callable[[Bench], AsyncIterator[Row]]

SECTIONS = ("encode", "stream", "server", "connect", "idle", "adapters")
"""Module names, in the order they are run."""


def load_rows(section: str) -> Rows:
    """Import a section, and return the function that yields its rows."""
    if section not in SECTIONS:
        raise ValueError(f"no section is named {section!r}; there are {', '.join(SECTIONS)}")
    return cast("Rows", import_module(f".{section}", __name__).rows)
