"""Servers that replace their workers while streams are open: on SIGHUP, or after many requests."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from .configurations import Configuration, Protocol
from .harness import Server, each_configuration, serve
from .response import TIMEOUT, WireError
from .test_shutdown import (
    APP,
    EXIT_TIMEOUT,
    MAY_CUT_THE_LAST_FRAME,
    RETRY,
    check_log,
    open_streams,
    rest_of,
    wait_for_workers,
)

pytestmark = pytest.mark.parts

RELOADING = (
    *("uvicorn-httptools-uvloop", "uvicorn-h11-asyncio", "uvicorn-zttp-asyncio-h2"),
    *("hypercorn-asyncio-h1", "hypercorn-trio-h2", "anycorn-asyncio-h1", "anycorn-trio-h1"),
    *("gunicorn-uvicorn", "gunicorn-asgi-asyncio", "gunicorn-asgi-uvloop"),
    *("granian-asyncio-h1", "granian-uvloop-h2", "granian-threads-asyncio-h1"),
)

COUNTING = (
    *("hypercorn-asyncio-h1", "anycorn-trio-h1", "gunicorn-uvicorn", "gunicorn-asgi-asyncio"),
)

OPTIONS = {"granian": ("--respawn-interval", "0.5")}


def wait_for_new_worker(server: Server) -> None:
    """Open a stream on a worker that stays: one on a stopping worker ends at once, or is cut."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        with suppress(WireError, OSError), server.connect() as connection:
            event = connection.get("/plain").read_event()
            if event is not None and event.data == "hello":
                return
        assert time.monotonic() < deadline, server.process.log


@pytest.mark.parametrize("configuration", each_configuration(when=lambda it: it.name in RELOADING))
def test_reload_ends_streams_with_a_farewell_and_serves_on(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    # A single worker of uvicorn has no parent that could replace it.
    workers = 2 if configuration.server == "uvicorn" else 1
    options = OPTIONS.get(configuration.server, ())
    with serve(configuration, APP, tmp_path, workers=workers, options=options) as server:
        wait_for_workers(server, workers)
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        server.process.signal(signal.SIGHUP)
        may_be_cut = configuration.name in MAY_CUT_THE_LAST_FRAME
        assert rest_of(plain, may_be_cut=may_be_cut) == []
        assert rest_of(watching, may_be_cut=may_be_cut) == ["farewell"]
        assert plain.retry in RETRY
        clients.close()
        wait_for_workers(server, 2 * workers)
        wait_for_new_worker(server)
        server.process.signal(signal.SIGTERM)
        assert server.process.wait(EXIT_TIMEOUT) == 0
        check_log(server.process.log)


@pytest.mark.parametrize("configuration", each_configuration(when=lambda it: it.name in COUNTING))
def test_worker_that_has_served_its_last_request_ends_streams(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path, options=["--max-requests", "6"]) as server:
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        for _ in range(6):
            # Some count a request when it begins, and then answer no further one.
            with suppress(WireError, OSError):
                server.ask("/control/")
        assert rest_of(plain) == []
        assert rest_of(watching) == ["farewell"]
        assert plain.retry in RETRY
        wait_for_workers(server, 2)
        wait_for_new_worker(server)
        check_log(server.process.log)


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=lambda it: it.server == "gunicorn" and it.protocol is Protocol.HTTP1),
)
def test_application_that_gunicorn_loads_before_it_forks_ends_its_streams(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path, workers=2, options=["--preload"]) as server:
        wait_for_workers(server, 2)
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        server.process.signal(signal.SIGTERM)
        assert rest_of(plain) == []
        assert rest_of(watching) == ["farewell"]
        assert server.process.wait(EXIT_TIMEOUT) == 0
        check_log(server.process.log)
