"""The sections; each is a module here whose function ``rows`` measures and yields its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TypeAlias, cast

from tests.benchmarks.bench import Bench
from tests.benchmarks.measure import Row

__all__ = ["LONG", "SECTIONS", "Rows", "headings", "load_lines", "load_rows"]

Rows: TypeAlias = Callable[[Bench], AsyncIterator[Row]]

SECTIONS = (
    "encode",
    "stream",
    "server",
    "connect",
    "idle",
    "silence",
    "adapters",
    "fanout",
    "redis",
    "people",
    "compression",
    "imports",
)
"""Module names, in the order they are run."""

LONG = ("scale", "workers", "growth", "fleet")
"""Module names of those that run only when they are asked for."""


def load_rows(section: str) -> Rows:
    """Import a section, and return the function that yields its rows."""
    return cast("Rows", _load(section).rows)


def load_lines(section: str) -> Callable[[Bench], Iterator[str]] | None:
    """Return the function that yields the lines of a section that is no comparison, or None."""
    return cast("Callable[[Bench], Iterator[str]] | None", getattr(_load(section), "lines", None))


def headings(section: str, bench: Bench) -> Mapping[str, str]:
    """Return the name of each column of a section as it is printed."""
    make = getattr(_load(section), "headings", Bench.headings)
    return cast("Mapping[str, str]", make(bench))


def _load(section: str) -> ModuleType:
    if section not in (*SECTIONS, *LONG):
        names = ", ".join((*SECTIONS, *LONG))
        raise ValueError(f"no section is named {section!r}; there are {names}")
    return import_module(f".{section}", __name__)
