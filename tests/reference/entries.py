"""One public name: its signature, its docstring, its members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import griffe

from .markdown import code, line, row, text

__all__ = ["entry", "parameters", "told"]

_LONG: Final = 70
"""Characters of parameters above which a heading leaves them to the table."""


def entry(name: str, found: griffe.Object) -> Iterator[str]:
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
        yield f"`{code(found.value)}`\n" if found.value is not None else ""
        if found.docstring:
            yield f"{text(found.docstring.value)}\n"


def _function(name: str, function: griffe.Function, level: str) -> Iterator[str]:
    signature = _signature(function)
    if len(signature) > _LONG:  # the table has it all
        signature = "..."
    yield f"{level} `{_use(function)}{name}({signature})`\n"
    if function.returns is not None and str(function.returns) != "None":
        yield f"Returns `{code(function.returns)}`.\n"
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
    for parameter in parameters(function):
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
            yield f"{text(section.value)}\n"
    known = told(found)
    rows = [
        row(f"`{parameter.name}`", _type(parameter), _default(parameter), known[parameter.name])
        for parameter in parameters(found)
        if parameter.name in known
    ]
    if rows:
        yield row("parameter", "type", "default", "meaning")
        yield "|---|---|---|---|"
        yield from rows
        yield ""
    for section in sections:
        if isinstance(section, griffe.DocstringSectionRaises):
            for error in section.value:
                yield f"* raises `{error.annotation}`: {line(error.description)}"
            yield ""


def told(found: griffe.Class | griffe.Function) -> dict[str, str]:
    told: dict[str, str] = {}
    for section in found.docstring.parsed if found.docstring else ():
        if isinstance(section, griffe.DocstringSectionParameters):
            told |= {item.name.lstrip("*"): line(item.description) for item in section.value}
    return told


def parameters(found: griffe.Class | griffe.Function) -> list[griffe.Parameter]:
    given = [parameter for parameter in found.parameters if parameter.name not in ("self", "cls")]
    if given or isinstance(found, griffe.Function):
        return given
    return [  # of a NamedTuple or a typed dictionary
        griffe.Parameter(name, annotation=member.annotation, default=_string(member.value))
        for name, member in found.members.items()
        if isinstance(member, griffe.Attribute) and member.annotation and not member.is_private
        if "property" not in member.labels
    ]


def _string(value: object) -> str | None:
    return None if value is None else str(value)


def _type(parameter: griffe.Parameter) -> str:
    return "" if parameter.annotation is None else f"`{code(parameter.annotation)}`"


def _default(parameter: griffe.Parameter) -> str:
    variable = (griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword)
    if parameter.default is None or parameter.kind in variable:
        return ""
    return f"`{code(parameter.default)}`"


# -- the members of a class ------------------------------------------------------------------------


def _methods(cls: griffe.Class) -> Iterator[griffe.Function]:
    for member in _members(cls):
        if isinstance(member, griffe.Function) and "property" not in member.labels:
            yield member


def _attributes(cls: griffe.Class) -> Iterator[str]:
    described = {parameter.name for parameter in parameters(cls)} & set(told(cls))
    rows: list[str] = []
    for member in _members(cls):
        kind = getattr(member, "annotation", None)
        if (
            member.docstring
            and isinstance(member, griffe.Attribute)
            and member.name not in described
        ):
            meaning = line(member.docstring.value)
            rows.append(row(f"`{member.name}`", f"`{code(kind)}`" if kind else "", meaning))
    if rows:
        yield row("attribute", "type", "meaning")
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
