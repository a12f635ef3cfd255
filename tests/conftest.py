"""What every test shares: the event loops, and the one way to say that a test needs a part."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from shutil import which
from typing import Any

import pytest

REQUIRE_ALL = "SSE_ASGI_REQUIRE_ALL"
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
"""The module that the part "zstd-module" stands for: the standard library has it from 3.14 on."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(
            ("asyncio", {"use_uvloop": True}), id="uvloop", marks=pytest.mark.needs("uvloop")
        ),
        pytest.param(("trio", {}), id="trio", marks=pytest.mark.needs("trio")),
    ],
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run the test on asyncio, on asyncio with uvloop, and on trio."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a test whose name holds an address: each process that runs tests has another one."""
    if " at 0x" in item.nodeid:
        raise pytest.UsageError(f"the name of a test holds an object's address: {item.nodeid}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose parts are not installed, or fail it where everything is required."""
    absent = [part for part in needed_parts(item) if not is_present(part)]
    if not absent:
        return
    reason = f"needs {', '.join(absent)}"
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{reason}, and {REQUIRE_ALL}=1", pytrace=False)
    pytest.skip(reason)


def needed_parts(item: pytest.Item) -> list[str]:
    """Return the parts that the test's ``needs`` markers name, each once."""
    return list(dict.fromkeys(part for mark in item.iter_markers("needs") for part in mark.args))


def is_present(part: str) -> bool:
    """Say whether ``part`` is an importable module or an executable on the path."""
    part = ZSTD if part == "zstd-module" else part
    try:
        found = find_spec(part) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        found = False
    return found or which(part) is not None
