"""Every public name is exported, importable and documented.

What people import comes from the packages; the modules below are held to the same, but that the
methods of their classes need no docstring where a protocol has it already.
"""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import sse_asgi

PACKAGE = Path(sse_asgi.__file__).parent
DEFINITIONS = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def is_public(name: str) -> bool:
    """Say whether a dotted name has no private part and is no program."""
    return not any(part.startswith("_") for part in name.split("."))


def module_names() -> list[str]:
    """Return the dotted names of the package's public modules."""
    names: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if is_public(name)]


def in_order(names: list[str]) -> list[str]:
    """Sort as isort and ruff do: constants, classes, then functions."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))


def exported(module: ModuleType) -> list[str]:
    """Return the module's ``__all__``."""
    return list(getattr(module, "__all__", []))


MODULES = module_names()
LIBRARY = [name for name in MODULES if not name.startswith("sse_asgi.demo")]


@pytest.mark.parametrize("name", MODULES)
def test_exports_are_sorted_importable_and_listed_once(name: str) -> None:
    module = import_module(name)
    names = exported(module)
    assert names == in_order(names)
    assert len(names) == len(set(names))
    assert not [export for export in names if not hasattr(module, export)]


@pytest.mark.parametrize("name", LIBRARY)
def test_every_public_definition_is_exported(name: str) -> None:
    module = import_module(name)
    tree = ast.parse(inspect.getsource(module) or "pass")
    defined = {node.name for node in tree.body if isinstance(node, DEFINITIONS)}
    public = {definition for definition in defined if is_public(definition)}
    assert public <= set(exported(module))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_export_is_documented(name: str) -> None:
    module = import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    undocumented = []
    for export in exported(module):
        value = getattr(module, export)
        if isinstance(value, type | FunctionType):
            undocumented += [export] if not has_own_docstring(value) else []
        if isinstance(value, type) and hasattr(module, "__path__"):
            undocumented += [f"{export}.{member}" for member in undocumented_members(value)]
    assert not undocumented


def has_own_docstring(value: object) -> bool:
    """Say whether a docstring was written; dataclasses make up a signature."""
    doc = getattr(value, "__doc__", None)
    return bool(doc) and not str(doc).startswith(f"{getattr(value, '__name__', '')}(")


def undocumented_members(cls: type) -> list[str]:
    """Return the public methods and properties that the class defines without a docstring."""
    members = vars(cls).items()
    return [
        name
        for name, member in members
        if is_public(name)
        and isinstance(member, FunctionType | property | classmethod | staticmethod)
        and not inspect.getdoc(getattr(cls, name))
    ]
