"""Writes ``examples/guide/reference.md`` from signatures and docstrings: python -m tests.reference.

Nothing is imported: griffe reads the source, so types stand as they are written there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import griffe

__all__ = ["MODULES", "PAGE", "page", "undescribed"]

_ROOT: Final = Path(__file__).parent.parent
PAGE: Final = _ROOT / "examples" / "guide" / "reference.md"

# A name that several modules have stands under the first of them.
MODULES: Final = (
    "sse_asgi",
    "sse_asgi.broadcast",
    "sse_asgi.broadcast.backends.redis",
    "sse_asgi.errors",
    "sse_asgi.web",
    "sse_asgi.adapters.fastapi",
    "sse_asgi.adapters.starlette",
    "sse_asgi.adapters.litestar",
    "sse_asgi.adapters.quart",
    "sse_asgi.adapters.django",
    "sse_asgi.adapters.body",
    "sse_asgi.testing",
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

_LONG: Final = 70
"""Characters of parameters above which a heading leaves them to the table."""

_QUIET: Final = griffe.SphinxOptions(warn_unknown_params=False, warnings=False)

_NAME: Final = re.compile(r"\b[A-Z]\w+")
_ROLE: Final = re.compile(r":(class|exc|func|meth|attr|mod|data):`~?\.*([^`]+)`")


def page() -> str:
    """Return the text of the page."""
    package = _load()
    seen: set[str] = set()
    parts = [_INTRODUCTION, *_contents()]
    for name in MODULES:
        module = package.get_member(name.removeprefix("sse_asgi.")) if "." in name else package
        parts.append(f"## `{name}`\n")
        if module.docstring:
            parts.append(f"{_text(module.docstring.value)}\n")
        others: list[str] = []
        for export in _exports(module):
            found = _resolved(module, export)
            if found.path in seen:
                others.append(f"`{export}`")
                continue
            seen.add(found.path)
            parts += _entry(export, found)
        if others:
            parts.append(f"Also here, and described above: {', '.join(others)}.\n")
    parts += _aliases(package, "\n".join(parts))
    return "\n".join(parts).rstrip("\n") + "\n"


def undescribed() -> list[str]:
    """Return the parameters of public functions and classes about which nothing is said."""
    package = _load()
    found: list[str] = []
    for name in MODULES:
        module = package.get_member(name.removeprefix("sse_asgi.")) if "." in name else package
        for export in _exports(module):
            entry = _resolved(module, export)
            if isinstance(entry, griffe.Class | griffe.Function):
                told = _told(entry)
                names = [parameter.name for parameter in _parameters(entry)]
                # What has no such list at all says what it takes in its text.
                found += [f"{entry.path}({name})" for name in names if told and name not in told]
    return found


def _load() -> griffe.Module:
    package = griffe.load(
        "sse_asgi", docstring_parser="sphinx", docstring_options=_QUIET, search_paths=[str(_ROOT)]
    )
    assert isinstance(package, griffe.Module)
    return package


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


# -- one name --------------------------------------------------------------------------------------


def _entry(name: str, found: griffe.Object) -> Iterator[str]:
    if isinstance(found, griffe.Function):
        yield from _function(name, found, "###")
    elif isinstance(found, griffe.Class):
        yield f"### `{name}`\n"
        yield from _described(found)
        yield from _attributes(found)
        for method in _methods(found):
            yield from _function(f"{name}.{method.name}", method, "####")
    elif isinstance(found, griffe.Attribute):
        yield f"### `{name}`\n"
        yield f"`{_code(found.value)}`\n" if found.value is not None else ""
        if found.docstring:
            yield f"{_text(found.docstring.value)}\n"


def _function(name: str, function: griffe.Function, level: str) -> Iterator[str]:
    signature = _signature(function)
    if len(signature) > _LONG:  # the table has it all
        signature = "..."
    yield f"{level} `{_use(function)}{name}({signature})`\n"
    if function.returns is not None and str(function.returns) != "None":
        yield f"Returns `{_code(function.returns)}`.\n"
    yield from _described(function)


def _use(function: griffe.Function) -> str:
    """Return the keyword that stands before a call."""
    decorators = [str(decorator.value) for decorator in function.decorators]
    if "asynccontextmanager" in decorators:
        return "async with "
    if "contextmanager" in decorators:
        return "with "
    return "await " if "async" in function.labels else ""


def _signature(function: griffe.Function) -> str:
    names: list[str] = []
    for parameter in _parameters(function):
        if parameter.kind is griffe.ParameterKind.keyword_only and not any(
            name.startswith("*") for name in names
        ):
            names.append("*")
        stars = {
            griffe.ParameterKind.var_positional: "*",
            griffe.ParameterKind.var_keyword: "**",
        }.get(parameter.kind or griffe.ParameterKind.positional_only, "")
        default = "" if parameter.default is None or stars else f"={parameter.default}"
        names.append(f"{stars}{parameter.name}{default}")
    return ", ".join(names)


def _described(found: griffe.Class | griffe.Function) -> Iterator[str]:
    """Return what the docstring says: its text, its parameters, what is raised."""
    sections = found.docstring.parsed if found.docstring else []
    for section in sections:
        if isinstance(section, griffe.DocstringSectionText):
            yield f"{_text(section.value)}\n"
    told = _told(found)
    rows = [
        _row(f"`{parameter.name}`", _type(parameter), _default(parameter), told[parameter.name])
        for parameter in _parameters(found)
        if parameter.name in told
    ]
    if rows:
        yield _row("parameter", "type", "default", "meaning")
        yield "|---|---|---|---|"
        yield from rows
        yield ""
    for section in sections:
        if isinstance(section, griffe.DocstringSectionRaises):
            for error in section.value:
                yield f"* raises `{error.annotation}`: {_line(error.description)}"
            yield ""


def _told(found: griffe.Class | griffe.Function) -> dict[str, str]:
    told: dict[str, str] = {}
    for section in found.docstring.parsed if found.docstring else ():
        if isinstance(section, griffe.DocstringSectionParameters):
            told |= {item.name.lstrip("*"): _line(item.description) for item in section.value}
    return told


def _parameters(found: griffe.Class | griffe.Function) -> list[griffe.Parameter]:
    given = [parameter for parameter in found.parameters if parameter.name not in ("self", "cls")]
    if given or isinstance(found, griffe.Function):
        return given
    return [  # of a NamedTuple or a typed dictionary
        griffe.Parameter(name, annotation=member.annotation, default=_string(member.value))
        for name, member in found.members.items()
        if isinstance(member, griffe.Attribute) and member.annotation and not member.is_private
    ]


def _string(value: object) -> str | None:
    return None if value is None else str(value)


def _type(parameter: griffe.Parameter) -> str:
    return "" if parameter.annotation is None else f"`{_code(parameter.annotation)}`"


def _default(parameter: griffe.Parameter) -> str:
    variable = (griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword)
    if parameter.default is None or parameter.kind in variable:
        return ""
    return f"`{_code(parameter.default)}`"


# -- the members of a class ------------------------------------------------------------------------


def _methods(cls: griffe.Class) -> Iterator[griffe.Function]:
    for member in _members(cls):
        if isinstance(member, griffe.Function) and "property" not in member.labels:
            yield member


def _attributes(cls: griffe.Class) -> Iterator[str]:
    parameters = {parameter.name for parameter in _parameters(cls)} & set(_told(cls))
    rows: list[str] = []
    for member in _members(cls):
        kind = getattr(member, "annotation", None)
        if (
            member.docstring
            and isinstance(member, griffe.Attribute)
            and member.name not in parameters
        ):
            described = _line(member.docstring.value)
            rows.append(_row(f"`{member.name}`", f"`{_code(kind)}`" if kind else "", described))
    if rows:
        yield _row("attribute", "type", "meaning")
        yield "|---|---|---|"
        yield from rows
        yield ""


def _members(cls: griffe.Class) -> Iterator[griffe.Object]:
    """Return the public members with a docstring, those of our own base classes included."""
    for name, member in cls.all_members.items():
        found = member.final_target if isinstance(member, griffe.Alias) else member
        ours = found.path.startswith("sse_asgi.")
        if ours and not name.startswith("_") and found.docstring:
            assert isinstance(found, griffe.Object)
            yield found


# -- names of types --------------------------------------------------------------------------------


def _aliases(package: griffe.Module, text: str) -> Iterator[str]:
    """Return the types that the page names, and that are short for others."""
    yield "## Names of types\n"
    yield _row("name", "short for", "meaning")
    yield "|---|---|---|"
    waiting = {word for code in re.findall(r"`([^`]+)`", text) for word in _NAME.findall(code)}
    named: set[str] = set()
    aliases = [*_all_aliases(package)]
    while waiting:
        named.add(name := waiting.pop())
        for found in aliases:
            if found.name == name:
                waiting |= set(_NAME.findall(str(found.value))) - named
    for found in sorted(aliases, key=lambda found: (found.name, found.path)):
        if found.name in named:
            name = f"`{found.name}`"
            if sum(other.name == found.name for other in aliases) > 1:
                name += f" of `{found.path.rpartition('.')[0]}`"
            meaning = _line(found.docstring.value) if found.docstring else ""
            yield _row(name, f"`{_code(found.value)}`", meaning)


def _all_aliases(module: griffe.Module) -> Iterator[griffe.Attribute]:
    for member in module.members.values():
        if isinstance(member, griffe.Module) and not member.name.startswith("_"):
            yield from _all_aliases(member)
        elif isinstance(member, griffe.Attribute) and "TypeAlias" in str(member.annotation):
            yield member


# -- text ------------------------------------------------------------------------------------------


def _row(*cells: str) -> str:
    escaped = (re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _code(expression: object) -> str:
    return re.sub(r"\s+", " ", str(expression))


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", _text(text))


def _text(text: str) -> str:
    """Return reStructuredText as Markdown."""
    text = _ROLE.sub(lambda found: f"`{_named(found[1], found[2])}`", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"::$", ":", text.strip(), flags=re.MULTILINE)


def _named(role: str, target: str) -> str:
    short = target.rpartition(".")[2] if target.startswith("sse_asgi.") else target
    return f"{short}()" if role == "meth" and not short.endswith(")") else short


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
