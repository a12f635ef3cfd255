"""The types that the page names and that are short for others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import griffe

from .markdown import code, line, row

__all__ = ["aliases"]

_NAME: Final = re.compile(r"\b[A-Z]\w+")


def aliases(package: griffe.Module, page: str) -> Iterator[str]:
    """Return the types that the page names, and that are short for others."""
    yield "## Names of types\n"
    yield row("name", "short for", "meaning")
    yield "|---|---|---|"
    waiting = {word for code in re.findall(r"`([^`]+)`", page) for word in _NAME.findall(code)}
    named: set[str] = set()
    known = [*_all_aliases(package)]
    while waiting:
        named.add(name := waiting.pop())
        for found in known:
            if found.name == name:
                waiting |= set(_NAME.findall(str(found.value))) - named
    for found in sorted(known, key=lambda found: (found.name, found.path)):
        if found.name in named:
            name = f"`{found.name}`"
            if sum(other.name == found.name for other in known) > 1:
                name += f" of `{found.path.rpartition('.')[0]}`"
            meaning = line(found.docstring.value) if found.docstring else ""
            yield row(name, f"`{code(found.value)}`", meaning)


def _all_aliases(module: griffe.Module) -> Iterator[griffe.Attribute]:
    for member in module.members.values():
        if isinstance(member, griffe.Module) and not member.name.startswith("_"):
            yield from _all_aliases(member)
        elif isinstance(member, griffe.Attribute) and "TypeAlias" in str(member.annotation):
            yield member
