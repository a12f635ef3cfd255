"""The guides, which the demo serves as text: those of the package, or of the checkout around it."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

__all__ = ["guides", "links"]

_PATH: Final = "guide"
_CHECKOUT: Final = Path(__file__).parent.parent.parent / "examples" / "guide"


def guides() -> Mapping[str, str]:
    """Return the text of each guide under its path, such as ``guide/testing.md``."""
    built = files(__package__).joinpath(_PATH)
    folder: Traversable = built if built.is_dir() else _CHECKOUT
    if not folder.is_dir():
        return MappingProxyType({})
    pages = sorted((page for page in folder.iterdir() if page.name.endswith(".md")), key=_name)
    return MappingProxyType({f"{_PATH}/{page.name}": page.read_text("utf-8") for page in pages})


def links(pages: Mapping[str, str]) -> str:
    """Return links to the guides, as HTML."""
    found = [(path, re.match(r"# (.+)", text)) for path, text in pages.items()]
    return " ".join(
        f'<a href="{escape(path)}">{escape(title[1] if title else path)}</a>'
        for path, title in found
    )


def _name(page: Traversable) -> str:
    return page.name
