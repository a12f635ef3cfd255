"""The files of the examples: short, complete in their header, and named in the index."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .running import EXAMPLES, PATIENCE

MOST_LINES = 59
"""The lines of an example after its header."""

HEADER = re.compile(r"# /// script\n((?:#[^\n]*\n)+?)# ///\n")
BROUGHT_ALONG = {"opentelemetry_exporter_prometheus": {"opentelemetry", "prometheus_client"}}
"""The modules that a dependency brings along under other names."""

NOT_LISTED = ("stage",)
"""Modules of the examples that are none themselves."""

WITHOUT_HEADER = ("sqlite_backend",)
SHORT = [path for path in sorted(EXAMPLES.glob("*.py")) if path.stem not in WITHOUT_HEADER]
ALL = [*SHORT, *sorted((EXAMPLES / "demonstrations").glob("*.py"))]
NAMES = [path.relative_to(EXAMPLES).as_posix() for path in ALL]


def header(path: Path) -> dict[str, object]:
    """Return the metadata of a script, as PEP 723 has them."""
    found = HEADER.match(path.read_text("utf-8"))
    assert found, f"{path.name} does not begin with a header"
    return tomllib.loads(re.sub(r"^# ?", "", found[1], flags=re.MULTILINE))


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a script imports and Python does not bring along."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    tops = {name.partition(".")[0] for name in names}
    return tops - sys.stdlib_module_names - {"anyio", *NOT_LISTED}


@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.stem)
def test_example_is_short(path: Path) -> None:
    text = HEADER.sub("", path.read_text("utf-8"))
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_header_names_what_the_script_imports(path: Path) -> None:
    metadata = header(path)
    assert metadata["requires-python"] == ">=3.11"
    dependencies = metadata["dependencies"]
    assert isinstance(dependencies, list)
    named = {re.split(r"[\[><=;]", dependency)[0].replace("-", "_") for dependency in dependencies}
    assert imported(path) <= named.union(*(BROUGHT_ALONG.get(name, ()) for name in named))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_header_finds_the_checkout(path: Path) -> None:
    tool = header(path)["tool"]
    assert isinstance(tool, dict)
    source = tool["uv"]["sources"]["sse-asgi"]["path"]
    assert (path.parent / source).resolve() == EXAMPLES.parent


def test_every_example_has_a_test() -> None:
    tests = EXAMPLES.parent / "tests"
    texts = [path.read_text("utf-8") for path in tests.rglob("test_*.py") if path != Path(__file__)]
    names = {Path(name).stem for name in NAMES} - {*NOT_LISTED, "testing_a_stream"}
    untested = [name for name in names if not any(f'"{name}"' in text for text in texts)]
    assert untested == []


def test_index_has_a_line_for_each_example() -> None:
    index = (EXAMPLES / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[[\w./]+\]\(([\w./]+\.py)\) \|", index, re.MULTILINE)
    listed = [name for name in NAMES if Path(name).stem not in NOT_LISTED]
    assert sorted(rows) == sorted([*listed, *(f"{name}.py" for name in WITHOUT_HEADER)])


@pytest.mark.needs("trio")
def test_example_of_tests_passes() -> None:
    script = EXAMPLES / "testing_a_stream.py"
    command = [sys.executable, str(script)]
    ended = subprocess.run(
        command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
