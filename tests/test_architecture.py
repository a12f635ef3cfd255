"""Imports go one way, the core is light, and no module keeps mutable state."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sse_asgi"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOOR = frozenset({"checks", "errors", "extras", "headers", "runtime", "wire"})
CORE = FLOOR | {"asgi"}
# What the modules of a layer may import of the others; the package itself is the layer "__init__".
LAYERS = {
    "errors": frozenset({"checks", "headers"}),
    "checks": frozenset[str](),
    "extras": frozenset[str](),
    "headers": frozenset({"checks"}),
    "runtime": frozenset({"checks", "errors"}),
    "wire": frozenset({"checks", "errors", "extras", "headers"}),
    "asgi": FLOOR,
    "broadcast": FLOOR,
    "__init__": CORE | {"broadcast"},
    "adapters": CORE | {"__init__", "broadcast"},
    "testing": CORE | {"__init__", "broadcast"},
    "demo": CORE | {"__init__", "broadcast"},
    "web": CORE | {"__init__", "broadcast"},
    "doctor": CORE | {"__init__"},
    "otel": CORE | {"__init__", "broadcast"},
    "__main__": CORE | {"__init__", "broadcast", "demo", "doctor"},
}
# What they may import beside the standard library. "typing" is for type checkers only; "lazy" is
# imported inside the function that needs it, since it may not be installed.
PACKAGES = {
    "runtime": {"anyio": "", "trio": "lazy"},
    "asgi": {"anyio": "", "asgiref": "typing", "trio": "lazy"},
    "broadcast": {"anyio": "", "asgiref": "typing"},
    "broadcast.backends.redis": {"anyio": "", "coredis": ""},
    "adapters": {"anyio": "", "asgiref": "typing"},
    "adapters.starlette": {"anyio": "", "starlette": ""},
    "adapters.fastapi": {
        "anyio": "",
        "fastapi": "",
        "starlette": "",
        "pydantic": "",
        "pydantic_core": "",
    },
    "adapters.quart": {"anyio": "", "quart": ""},
    "adapters.litestar": {"anyio": "", "litestar": ""},
    "adapters.django": {"anyio": "", "django": "", "asgiref": ""},
    "testing": {"anyio": "", "asgiref": "typing", "trio": "lazy"},
    "testing.httpx": {"anyio": "", "httpx": ""},
    "testing.httpx2": {"anyio": "", "httpx2": ""},
    "otel": {"opentelemetry": ""},
    "demo": {"anyio": "", "asgiref": "typing", "hypercorn": ""},
    "__main__": {"anyio": "", "hypercorn": "lazy"},
}
# A pure wire layer neither waits nor looks at the clock nor does any input or output.
IMPURE = frozenset(
    {"asyncio", "concurrent", "datetime", "http", "io", "multiprocessing", "os", "pathlib"}
    | {"selectors", "signal", "socket", "ssl", "subprocess", "threading", "time", "urllib"}
)
MUTABLE_CALLS = frozenset(
    {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"}
    | {"ChainMap", "WeakSet", "WeakKeyDictionary", "WeakValueDictionary", "Queue", "SimpleQueue"}
)
FOREIGN = frozenset(
    {"aiohttp", "blacksheep", "daphne", "django", "fastapi", "granian", "httptools", "hypercorn"}
    | {"h11", "h2", "litestar", "pydantic", "quart", "redis", "coredis", "sanic", "sse_starlette"}
    | {"starlette", "trio", "uvicorn", "uvloop", "asgiref", "orjson", "msgspec", "opentelemetry"}
    | {"backports", "brotli", "brotlicffi", "compression"}
)


class Import(NamedTuple):
    """One imported module, and how: ``""``, ``"lazy"`` in a function, or ``"typing"``."""

    module: str
    how: str
    line: int


def name_of(path: Path) -> str:
    """Return the dotted name below the package; of the package itself, ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def prefixes_of(name: str) -> Iterator[str]:
    """Return the dotted name and the packages around it, the longest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def imports_of(path: Path) -> Iterator[Import]:
    """Find every import of a module, relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    yield from _imports(ast.parse(path.read_text("utf-8")), package, "")


def _imports(node: ast.AST, package: tuple[str, ...], how: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, how, child.lineno)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else ()
            origin = ".".join((*base, child.module) if child.module else base)
            for alias in child.names:
                yield Import(f"{origin}.{alias.name}", how, child.lineno)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), package, "typing")
            yield from _imports(ast.Module(child.orelse, []), package, how)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(child, package, how or "lazy")
        else:
            yield from _imports(child, package, how)


def target_layer(module: str) -> str:
    """Return the layer that an import of ours reaches."""
    parts = module.split(".")
    is_module = len(parts) > 1 and parts[1] in LAYERS
    return parts[1] if is_module else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    layer = name_of(path).partition(".")[0]
    for found in imports_of(path):
        if found.module.partition(".")[0] == "sse_asgi":
            target = target_layer(found.module)
            allowed = LAYERS[layer] | {layer}
            assert target in allowed, f"{path}:{found.line}: {layer} imports {found.module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_module_imports_only_what_belongs_to_it(path: Path) -> None:
    name = name_of(path)
    allowed = next((PACKAGES[prefix] for prefix in prefixes_of(name) if prefix in PACKAGES), {})
    for found in imports_of(path):
        top = found.module.partition(".")[0]
        if top == "sse_asgi" or top in sys.stdlib_module_names:
            continue
        where = f"{path}:{found.line}: {found.module}"
        assert top in allowed, f"{where} is not for this module"
        assert allowed[top] in ("", found.how) or found.how == "typing", f"{where} comes too early"


@pytest.mark.parametrize("path", sorted((PACKAGE / "wire").rglob("*.py")), ids=name_of)
def test_wire_does_not_wait_look_at_the_clock_or_do_io(path: Path) -> None:
    impure = [found for found in imports_of(path) if found.module.partition(".")[0] in IMPURE]
    assert not impure
    tree = ast.parse(path.read_text("utf-8"))
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, waiting)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_keeps_mutable_state(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]
    for statement in shared_statements(tree):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = getattr(statement, "targets", None) or [statement.target]  # type: ignore[union-attr]
            names = [ast.unparse(target) for target in targets]
            assert names == ["__all__"] or not is_mutable(statement.value), (
                f"{path}:{statement.lineno}: {', '.join(names)} is mutable and shared: "
                "use a tuple, a frozenset or a MappingProxyType"
            )


def shared_statements(tree: ast.Module | ast.ClassDef | ast.If) -> Iterator[ast.stmt]:
    """Find what runs once for everybody: the bodies of the module and of its classes."""
    for statement in tree.body:
        yield statement
        if isinstance(statement, ast.ClassDef | ast.If):
            yield from shared_statements(statement)


def is_mutable(value: ast.expr) -> bool:
    """Say whether the expression makes a mutable container."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in MUTABLE_CALLS
    displays = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    return isinstance(value, displays)


def modules_imported_by(path: Path) -> Iterator[str]:
    """Find the modules of ours that a module names in its imports, those for typing included."""
    names = {name_of(module) for module in MODULES}
    for found in imports_of(path):
        target = found.module.removeprefix("sse_asgi.")
        reached = next((prefix for prefix in prefixes_of(target) if prefix in names), None)
        if found.module.startswith("sse_asgi.") and reached is not None:
            yield reached


@pytest.mark.parametrize("path", sorted((PACKAGE / "adapters").rglob("*.py")), ids=name_of)
def test_adapters_come_in_by_two_doors(path: Path) -> None:
    rooms = {name for name in modules_imported_by(path) if name.partition(".")[0] == "asgi"}
    assert rooms <= {"asgi", "asgi.serving"}


def cycles(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Find the sets of modules that reach each other."""
    reached = {start: reachable(graph, start) for start in graph}
    for start, ends in reached.items():
        together = {end for end in ends if start in reached[end]}
        if together and start == min(together):
            yield together


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that a module imports, however indirectly."""
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def test_no_module_imports_itself_over_others() -> None:
    graph = {name_of(path): {*modules_imported_by(path)} for path in MODULES}
    assert not [sorted(cycle) for cycle in cycles(graph)]


def run_python(code: str) -> str:
    """Run code in a fresh interpreter, with bytecode caches, from the repository's root."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return process.stdout


def test_importing_the_package_loads_no_framework_server_or_client() -> None:
    loaded = json.loads(run_python("import sse_asgi, sys, json; print(json.dumps([*sys.modules]))"))
    assert "sse_asgi.wire" in loaded
    assert not FOREIGN.intersection(name.partition(".")[0] for name in loaded)


def test_importing_the_package_loads_nothing_that_a_streaming_program_has_not_loaded() -> None:
    # What it costs is measured by the benchmark, not timed here; anyio loads its own parts late.
    code = "import {}, sys, json; print(json.dumps([*sys.modules]))"
    before, after = (
        set(json.loads(run_python(code.format(name))))
        for name in ("anyio.lowlevel, asyncio", "sse_asgi, asyncio")
    )
    more = {name for name in after - before if name.partition(".")[0] != "sse_asgi"}
    assert not more
