"""Servers that no signal reaches: in threads, and those that end of their own accord."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from .configurations import CONFIGURATIONS
from .harness import serve
from .http1 import PROBE, Http1Connection
from .process import ServerProcess, free_port
from .response import TIMEOUT, Response
from .test_shutdown import APP, EXIT_TIMEOUT, RETRY, check_log, open_streams, rest_of

KINDS = [
    pytest.param("uvicorn", marks=pytest.mark.needs("uvicorn")),
    pytest.param("hypercorn-asyncio", marks=pytest.mark.needs("hypercorn")),
    pytest.param("hypercorn-trio", marks=pytest.mark.needs("hypercorn", "trio")),
]

UVICORN = next(it for it in CONFIGURATIONS if it.name == "uvicorn-httptools-asyncio")


@contextmanager
def two_servers(kind: str, directory: Path) -> Iterator[tuple[ServerProcess, int, int]]:
    """Run two servers in two threads of one process."""
    first, second = free_port(), free_port()
    arguments = ["-m", "tests.servers.threaded", kind, str(first), str(second)]
    with ServerProcess(arguments, first, directory / "threads.log") as process:
        process.wait_ready(PROBE)
        wait_for(second)
        yield process, first, second


def wait_for(port: int) -> None:
    """Wait until somebody answers on ``port``."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask(port, "/control/")
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def ask(port: int, path: str) -> None:
    """Send a request and read its answer."""
    with Http1Connection(port) as connection:
        assert connection.get(path).read_body() == b""


def open_stream(clients: ExitStack, port: int, path: str) -> Response:
    """Open a stream and read its first event."""
    response = clients.enter_context(Http1Connection(port)).get(path)
    event = response.read_event()
    assert event is not None
    assert event.data == "hello"
    return response


@pytest.mark.parametrize("kind", KINDS)
def test_server_that_stops_in_a_thread_leaves_the_other_thread_alone(
    kind: str, tmp_path: Path, clients: ExitStack
) -> None:
    with two_servers(kind, tmp_path) as (process, first, second):
        plain, watching = (
            open_stream(clients, first, "/plain"),
            open_stream(clients, first, "/watching"),
        )
        other = open_stream(clients, second, "/watching")
        ask(second, "/control/server-stop?server=0")
        assert rest_of(plain) == []
        assert rest_of(watching) == ["farewell"]
        assert plain.retry in RETRY
        # The neighbour is open, and takes new streams as before.
        assert open_stream(clients, second, "/plain").has_ended is False
        assert other.has_ended is False
        ask(second, "/control/server-stop?server=1")
        assert rest_of(other) == ["farewell"]
        assert process.wait(EXIT_TIMEOUT) == 0
        check_log(process.log)


@pytest.mark.parametrize("kind", KINDS)
def test_next_server_on_the_port_streams_as_the_first_one_did(
    kind: str, tmp_path: Path, clients: ExitStack
) -> None:
    with two_servers(kind, tmp_path) as (process, first, second):
        assert rest_of_stopped(clients, first, second, 0) == ["farewell"]
        ask(second, "/control/server-again?server=0")
        wait_for(first)
        assert rest_of_stopped(clients, first, second, 0) == ["farewell"]
        ask(second, "/control/server-stop?server=1")
        assert process.wait(EXIT_TIMEOUT) == 0


def rest_of_stopped(clients: ExitStack, port: int, control: int, number: int) -> list[str]:
    """Open a stream, stop its server, and return what came after the first event."""
    response = open_stream(clients, port, "/watching")
    ask(control, f"/control/server-stop?server={number}")
    return rest_of(response)


@pytest.mark.needs("uvicorn")
def test_uvicorn_that_has_served_its_last_request_ends_streams(
    tmp_path: Path, clients: ExitStack
) -> None:
    # Complete ones count, the probe of the harness among them.
    options = ["--limit-max-requests", "2"]
    with serve(UVICORN, APP, tmp_path, options=options) as server:
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        server.ask("/control/")
        assert rest_of(plain) == []
        assert rest_of(watching) == ["farewell"]
        assert server.process.wait(EXIT_TIMEOUT) == 0


@pytest.mark.needs("uvicorn")
def test_uvicorn_reloads_with_streams_open(tmp_path: Path, clients: ExitStack) -> None:
    (tmp_path / "watched.py").touch()
    options = ["--reload", "--reload-dir", str(tmp_path)]
    with serve(UVICORN, APP, tmp_path, options=options) as server:
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        change_until_end(tmp_path / "watched.py", plain)
        assert rest_of(watching) == ["farewell"]
        # What connects to a uvicorn that is stopping already keeps it for another 5 s.
        server.process.wait_log("Application startup complete.", times=2)
        open_streams(clients, server, "/plain")
        server.process.signal(signal.SIGINT)
        server.process.wait(EXIT_TIMEOUT)
        check_log(server.process.log)


def change_until_end(path: Path, response: Response) -> None:
    """Change a file until the response ends; the server may serve before it looks for changes."""
    for number in range(5):
        path.write_text(f"changed = {number}\n")
        with suppress(TimeoutError):
            assert response.read_event(timeout=2) is None
            assert response.is_complete
            return
    raise AssertionError("the server did not notice the changes")
