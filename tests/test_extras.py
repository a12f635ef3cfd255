"""A part of the library whose package is not installed says how to install it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

HIDE = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
import {module}
"""

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
# The extras that bring tools for those who develop this library.
TOOLS = frozenset({"unit", "test", "parts", "bench", "types", "lint", "package", "dev"})


class Part(NamedTuple):
    """A module of this library, the package without which it is imported, and the extra."""

    module: str
    package: str
    extra: str


PARTS = [
    Part("sse_asgi.adapters.starlette", "starlette", "starlette"),
    Part("sse_asgi.adapters.fastapi", "fastapi", "fastapi"),
    Part("sse_asgi.adapters.litestar", "litestar", "litestar"),
    Part("sse_asgi.adapters.quart", "quart", "quart"),
    Part("sse_asgi.adapters.django", "django", "django"),
    Part("sse_asgi.broadcast.backends.redis", "coredis", "redis"),
    Part("sse_asgi.otel", "opentelemetry", "otel"),
    Part("sse_asgi.testing.httpx", "httpx", "httpx"),
    Part("sse_asgi.testing.httpx2", "httpx2", "httpx2"),
]
CODINGS = {"brotli": ["brotli", "brotlicffi"], "zstd": ["compression.zstd", "backports.zstd"]}


def run(program: str) -> str:
    """Run a program in a new interpreter and return the last line of its errors."""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return process.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.module)
def test_missing_package_is_told_with_the_command_that_installs_it(part: Part) -> None:
    # Python takes an import for a missing one if sys.modules says None.
    hidden = [part.package, f"{part.package}.metrics"]
    last = run(HIDE.format(hidden=hidden, module=part.module))
    told = f'{part.package} is not installed: pip install "sse-asgi[{part.extra}]"'
    # From Python 3.15 on, the traceback ends with a guess at the name that was meant.
    assert last.partition(". Did you mean: ")[0] == f"ModuleNotFoundError: {told}"


@pytest.mark.parametrize("extra", CODINGS)
def test_missing_coding_is_told_with_the_command_that_installs_it(extra: str) -> None:
    module = f"sse_asgi.wire.compression.compressors as found; found.import_{extra}()"
    last = run(HIDE.format(hidden=CODINGS[extra], module=module))
    assert last.endswith(f'is installed: pip install "sse-asgi[{extra}]"')


def test_every_extra_for_users_is_asked_for_here() -> None:
    # tests/demo/test_command.py asks for the demo's.
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    assert {part.extra for part in PARTS} | {*CODINGS, "demo"} == set(extras) - TOOLS
