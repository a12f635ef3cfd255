"""What the tests in a browser share: the engines, and servers that can be killed and come back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.http1 import PROBE
from tests.servers.process import ServerProcess, free_port

from .browser import chromium
from .engines import ENGINES, Engine, Pages, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Run each engine once for all tests of a module."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as engine:
        yield engine


@pytest.fixture
def pages(engine: Engine) -> Iterator[Pages]:
    """Yield pages in tabs of the engine, which are closed at the end."""
    pages = Pages(engine)
    yield pages
    pages.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that runs the app, for servers that are to die."""
    with servers(tmp_path) as run:
        yield run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run the app for all tests of a module, which have keys of their own."""
    with servers(tmp_path_factory.mktemp("server")) as run:
        yield run()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run the app on another port, which is another origin, but has the same cookies."""
    with servers(tmp_path_factory.mktemp("other")) as run:
        yield run()


@contextmanager
def servers(directory: Path) -> Iterator[Serve]:
    """Yield a function that runs the app on uvicorn, on a given port or a free one."""
    begin = str(time.time())

    with ExitStack() as stack:

        def run(port: int | None = None) -> ServerProcess:
            port = port or free_port()
            log = directory / f"uvicorn-{time.monotonic_ns()}.log"
            command = ("-m", "uvicorn", "--http", "h11", "--port", str(port), "tests.web.app:app")
            process = ServerProcess(command, port, log, {"SSE_ASGI_TEST_BEGIN": begin})
            stack.enter_context(process)
            process.wait_ready(PROBE)
            return process

        yield run


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[ServerProcess]:
    """Run the app on hypercorn, over TLS."""
    with secured(tmp_path, "tests.web.app:app") as process:
        yield process


@contextmanager
def secured(directory: Path, app: str) -> Iterator[ServerProcess]:
    """Run an app on hypercorn, over TLS with a certificate that it has signed itself."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key),
            *("-out", certificate),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )
    port = free_port()
    command = ["-m", "hypercorn", "--bind", f"127.0.0.1:{port}", app]
    command += ["--keyfile", str(key), "--certfile", str(certificate)]
    with ServerProcess(command, port, directory / "hypercorn.log") as process:
        process.wait_log("Running on https")
        yield process
