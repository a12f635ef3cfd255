"""The demo's page: one response with HTML, CSS, scripts and the code that serves it."""

from __future__ import annotations

import inspect
import io
import keyword
import textwrap
import tokenize
from collections.abc import Callable
from html import escape
from importlib.resources import files
from types import ModuleType
from typing import Final

__all__ = ["FAVICON", "highlight", "render"]

_SCRIPTS: Final = ("streams.js", "wire.js", "buttons.js", "chart.js", "page.js")

FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="8" fill="#c2410c"/>'
    '<path d="M5 18c3 0 3-8 6-8s3 12 6 12 3-8 5-8" fill="none" stroke="#fff" stroke-width="2.6"'
    ' stroke-linecap="round"/><circle cx="25" cy="14" r="2.6" fill="#fff"/></svg>'
)


def render(*, guides: str = "", **sources: Callable[..., object] | ModuleType) -> bytes:
    """Return the page, in which the source of each named object stands in place of ``{{ name }}``.

    The source is read from the running objects, so the page shows the code that serves it.

    :param guides: the links to the guides, as HTML
    :raises LookupError: the page has no place of that name
    """
    page = _asset("page.html")
    page = _fill(page, "style", _asset("style.css"))
    page = _fill(page, "script", "\n".join(map(_asset, _SCRIPTS)))
    page = _fill(page, "guides", guides)
    for name, code in sources.items():
        page = _fill(page, name, highlight(textwrap.dedent(inspect.getsource(code)).strip()))
    return page.encode()


def highlight(source: str) -> str:
    """Return Python source as HTML, with keywords, strings, comments and numbers marked."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    parts: list[str] = []
    done = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _kind(token)
        if kind is None:
            continue
        start = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        parts.append(escape(source[done:start]))
        parts.append(f'<span class="{kind}">{escape(source[start:end])}</span>')
        done = end
    parts.append(escape(source[done:]))
    return "".join(parts)


def _kind(token: tokenize.TokenInfo) -> str | None:
    name = tokenize.tok_name[token.type]
    if name == "NAME" and keyword.iskeyword(token.string):
        return "k"
    if name == "STRING" or name.startswith("FSTRING"):
        return "s"
    return {"COMMENT": "c", "NUMBER": "n"}.get(name)


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text("utf-8").strip()


def _fill(page: str, name: str, text: str) -> str:
    before, place, after = page.partition("{{ " + name + " }}")
    if not place:
        raise LookupError(f"page.html has no place for {name}")
    return before + text + after
