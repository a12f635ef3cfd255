"""The application behind the proxies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import Server, serve

CONFIGURATION = next(it for it in CONFIGURATIONS if it.name == "uvicorn-h11-asyncio")
"""The server that answers an HTTP/1.0 request without chunks: it leaves the most to a proxy."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the application."""
    with serve(CONFIGURATION, "tests.web.app:app", tmp_path_factory.mktemp("app")) as server:
        yield server
