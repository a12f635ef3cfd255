"""What the tests in a browser share: one Chromium, and servers that can be killed and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.http1 import PROBE
from tests.servers.process import ServerProcess, free_port

from .browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that runs the app on uvicorn, on a given port or a free one."""
    begin = str(time.time())

    with ExitStack() as stack:

        def run(port: int | None = None) -> ServerProcess:
            port = port or free_port()
            log = tmp_path / f"uvicorn-{time.monotonic_ns()}.log"
            command = ("-m", "uvicorn", "--port", str(port), "tests.web.app:app")
            process = ServerProcess(command, port, log, {"SSE_ASGI_TEST_BEGIN": begin})
            stack.enter_context(process)
            process.wait_ready(PROBE)
            return process

        yield run
