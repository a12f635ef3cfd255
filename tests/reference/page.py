"""The page as a whole, and the names about whose parameters it says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import griffe

from .aliases import aliases
from .entries import entry, parameters, told
from .markdown import text

__all__ = ["MODULES", "PAGE", "page", "undescribed"]

_ROOT: Final = Path(__file__).parent.parent.parent
PAGE: Final = _ROOT / "examples" / "guide" / "reference.md"

# A name that several modules have stands under the first of them.
MODULES: Final = (
    "sse_asgi",
    "sse_asgi.broadcast",
    "sse_asgi.broadcast.backends.redis",
    "sse_asgi.errors",
    "sse_asgi.otel",
    "sse_asgi.web",
    "sse_asgi.adapters.fastapi",
    "sse_asgi.adapters.starlette",
    "sse_asgi.adapters.litestar",
    "sse_asgi.adapters.quart",
    "sse_asgi.adapters.django",
    "sse_asgi.adapters.body",
    "sse_asgi.testing",
    "sse_asgi.testing.backends",
    "sse_asgi.testing.httpx",
    "sse_asgi.testing.httpx2",
    "sse_asgi.asgi",
    "sse_asgi.wire",
)

_INTRODUCTION: Final = """\
# Reference

Every public name, from the docstrings. Times are in seconds unless the text says milliseconds.
A parameter without a default is required. A `*` stands before parameters that take a name.
"""

_QUIET: Final = griffe.SphinxOptions(warn_unknown_params=False, warnings=False)


def page() -> str:
    """Return the text of the page."""
    package = _load()
    seen: set[str] = set()
    parts = [_INTRODUCTION, *_contents()]
    for name in MODULES:
        module = _module(package, name)
        parts.append(f"## `{name}`\n")
        if module.docstring:
            parts.append(f"{text(module.docstring.value)}\n")
        others: list[str] = []
        for export in _exports(module):
            found = _resolved(module, export)
            if found.path in seen:
                others.append(f"`{export}`")
                continue
            seen.add(found.path)
            parts += entry(export, found)
        if others:
            parts.append(f"Also here, and described above: {', '.join(others)}.\n")
    parts += aliases(package, "\n".join(parts))
    return "\n".join(parts).rstrip("\n") + "\n"


def undescribed() -> list[str]:
    """Return the parameters of public functions and classes about which nothing is said."""
    package = _load()
    missing: list[str] = []
    for name in MODULES:
        module = _module(package, name)
        for export in _exports(module):
            found = _resolved(module, export)
            if isinstance(found, griffe.Class | griffe.Function) and (described := told(found)):
                # What has no such list at all says what it takes in its text.
                names = [parameter.name for parameter in parameters(found)]
                missing += [f"{found.path}({name})" for name in names if name not in described]
    return missing


def _load() -> griffe.Module:
    package = griffe.load(
        "sse_asgi", docstring_parser="sphinx", docstring_options=_QUIET, search_paths=[str(_ROOT)]
    )
    assert isinstance(package, griffe.Module)
    return package


def _module(package: griffe.Module, name: str) -> griffe.Object | griffe.Alias:
    if name == package.path:
        return package
    found: griffe.Object | griffe.Alias = package.get_member(name.removeprefix(f"{package.path}."))
    return found


def _contents() -> Iterator[str]:
    for name in MODULES:
        yield f"* [`{name}`](#{re.sub(r'[^a-z0-9_]', '', name)})"
    yield "* [Names of types](#names-of-types)\n"


def _exports(module: griffe.Object | griffe.Alias) -> list[str]:
    return [str(name) for name in module.exports or ()]


def _resolved(module: griffe.Object | griffe.Alias, name: str) -> griffe.Object:
    found = module.members[name]
    if isinstance(found, griffe.Module):  # which exports a function of its own name
        found = found.members[name]
    target = found.final_target if isinstance(found, griffe.Alias) else found
    assert isinstance(target, griffe.Object)
    return target
