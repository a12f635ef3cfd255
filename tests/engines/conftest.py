"""What the tests of engines share: one browser of each engine, and the servers of tests/web."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.web.conftest import other, secure, serve, server

from .chromium import chromium
from .engine import Engine
from .firefox import firefox
from .webkit import webkit

__all__ = ["engine", "other", "secure", "serve", "server"]

ENGINES = [
    pytest.param(chromium, id="chromium", marks=pytest.mark.needs("chromium", "playwright")),
    pytest.param(firefox, id="firefox", marks=pytest.mark.needs("firefox-esr", "websockets")),
    pytest.param(webkit, id="webkit", marks=pytest.mark.needs("WebKitWebDriver", "Xvfb")),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A running browser of each engine."""
    with request.param() as engine:
        yield engine


@pytest.fixture(scope="module")
def keys() -> Iterator[str]:
    """Keys that no other stream of the server has."""
    return (f"key{number}" for number in count())
