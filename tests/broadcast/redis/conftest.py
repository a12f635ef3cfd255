"""Engines for the tests: one for all of a module, and one to be mistreated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from .engine import Engine

URL = "SSE_TEST_REDIS_URL"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("trio", {}), id="trio", marks=pytest.mark.needs("trio")),
    ],
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run the test on asyncio and on trio: what uvloop does otherwise is not used here."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture(scope="package")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that nobody stops."""
    from .engine import Engine

    with Engine(tmp_path_factory.mktemp("engine"), "--appendfsync", "everysec") as engine:
        yield engine


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an engine that nobody stops: the one that you name, if you do."""
    own = os.environ.get(URL)
    if own:
        return own
    engine: Engine = request.getfixturevalue("shared_engine")
    return engine.url


@pytest.fixture
def url_port(url: str) -> int:
    """The port of that engine, for a proxy before it."""
    return urlsplit(url).port or 6379


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of this test's own, which it may stop."""
    from .engine import Engine

    with Engine(tmp_path / "engine") as engine:
        yield engine


@pytest.fixture
def name() -> str:
    """The name of a log of this test's own."""
    return f"test-{token_hex(6)}"
