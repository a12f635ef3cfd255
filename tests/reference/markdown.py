"""Docstrings and cells of tables as Markdown."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["code", "line", "row", "text"]

_ROLE: Final = re.compile(r":(class|exc|func|meth|attr|mod|data):`~?\.*([^`]+)`")


def row(*cells: str) -> str:
    """Return a row of a table."""
    escaped = (re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells)
    return f"| {' | '.join(escaped)} |"


def code(expression: object) -> str:
    """Return an expression on one line."""
    return re.sub(r"\s+", " ", str(expression))


def line(source: str) -> str:
    """Return a docstring as Markdown on one line."""
    return re.sub(r"\s+", " ", text(source))


def text(source: str) -> str:
    """Return a docstring, which is reStructuredText, as Markdown."""
    marked = _ROLE.sub(lambda found: f"`{_named(found[1], found[2])}`", source)
    marked = re.sub(r"``([^`]+)``", r"`\1`", marked)
    return re.sub(r"::$", ":", marked.strip(), flags=re.MULTILINE)


def _named(role: str, target: str) -> str:
    short = target.rpartition(".")[2] if target.startswith("sse_asgi.") else target
    return f"{short}()" if role == "meth" and not short.endswith(")") else short
