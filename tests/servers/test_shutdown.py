"""A server that is told to stop while streams are open: its clients, log and exit status."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .configurations import Configuration, Protocol
from .harness import Server, each_configuration, serve
from .response import TIMEOUT, Response

APP = "tests.servers.ending_app:app"

EXIT_TIMEOUT = 4.0
"""Twice the two seconds that are promised, for a machine that is busy with other tests."""

RETRY = range(1000, 5001)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# What a worker writes when it is up: a signal before that is lost on granian.
WORKER_IS_UP = {
    "granian": "Started worker-",
    "uvicorn": "Application startup complete",
    "hypercorn": "lifespan.startup",
    "anycorn": "lifespan.startup",
    "gunicorn": "lifespan.startup",
    "daphne": "Listening on",
}


# A stopping hypercorn or anycorn closes an HTTP/2 connection when its last stream has ended; here,
# that may come before the last frame.
MAY_CUT_THE_LAST_FRAME = {"hypercorn-trio-h2", "anycorn-asyncio-h2", "anycorn-trio-h2"}


# What keeps these from exiting at once, whatever becomes of the streams, is bounded by the option:
# SIGINT, which uvicorn's worker under gunicorn does not hear, and a connection of QUIC.
OPTIONS = {
    "gunicorn-uvicorn": ("--graceful-timeout", "2"),
    "hypercorn-asyncio-h3": ("--graceful-timeout", "1"),
    "hypercorn-uvloop-h3": ("--graceful-timeout", "1"),
    "hypercorn-trio-h3": ("--graceful-timeout", "1"),
}


def exit_status(configuration: Configuration, number: signal.Signals, workers: int) -> int:
    """Return the exit status of the server without any stream."""
    raises_again = configuration.server == "uvicorn" and workers == 1
    return -number if raises_again and number is signal.SIGTERM else 0


def is_deaf(configuration: Configuration, number: signal.Signals) -> bool:
    """Tell whether the server's workers do not hear the signal: their parent kills them at last.

    gunicorn repeats SIGINT as SIGQUIT, which uvicorn's worker notes and forgets. Streams end at
    once.
    """
    return configuration.name == "gunicorn-uvicorn" and number is signal.SIGINT


def skips_lifespan(configuration: Configuration, number: signal.Signals) -> bool:
    """Tell whether the server ends without ``lifespan.shutdown``: daphne has no lifespan at all."""
    is_quick = configuration.server == "gunicorn" and number is signal.SIGINT
    return configuration.server == "daphne" or is_quick


def wait_for_workers(server: Server, workers: int) -> None:
    """Wait until each worker is up."""
    sign = WORKER_IS_UP[server.configuration.server]
    deadline = time.monotonic() + TIMEOUT
    while server.process.log.count(sign) < workers:
        assert time.monotonic() < deadline, server.process.log
        time.sleep(0.01)


def open_streams(clients: ExitStack, server: Server, *paths: str) -> list[Response]:
    """Open a stream for each path, until ``clients`` are closed, and read its first event."""
    responses = [clients.enter_context(server.connect()).get(path) for path in paths]
    for response in responses:
        event = response.read_event()
        assert event is not None
        assert event.data == "hello"
    return responses


def rest_of(response: Response, *, may_be_cut: bool = False) -> list[str]:
    """Return the data of all further events; the end must be one that the protocol knows."""
    events = []
    while (event := response.read_event()) is not None:
        events.append(event.data)
    assert response.is_complete or may_be_cut, "the connection was cut"
    return events


def check_log(log: str) -> None:
    """Fail if the server complained of anything."""
    assert "Traceback" not in log, log
    assert "ERROR" not in log, log
    assert "was never awaited" not in log, log


def stops_within_a_second(configuration: Configuration, number: signal.Signals) -> bool:
    """Tell whether the server's next look at its flag, once a second, cuts all connections.

    That of gunicorn's own worker may come before ours, which is due five times a second.
    """
    is_own = configuration.server == "gunicorn" and "asgi" in configuration.name
    return is_own and number is signal.SIGINT


def closes_at_once(configuration: Configuration) -> bool:
    """Tell whether the server closes connections while their streams are at their last words.

    anycorn does so with those of QUIC.
    """
    return configuration.server == "anycorn" and configuration.protocol is Protocol.HTTP3


def one_or_two_workers() -> list[Any]:
    """Return the configurations, each with one worker and, where the server has them, with two."""
    return [
        pytest.param(configuration, workers, id=f"{configuration.name}-{workers}", marks=marks)
        for configuration, marks in map(parts_of, each_configuration())
        for workers in ((1, 2) if configuration.has_workers else (1,))
    ]


def parts_of(parameter: Any) -> tuple[Configuration, Any]:
    """Return the configuration of a parameter, and its markers."""
    return parameter.values[0], parameter.marks


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize(("configuration", "workers"), one_or_two_workers())
def test_signal_ends_streams_with_a_farewell_and_the_server_at_once(
    configuration: Configuration,
    workers: int,
    number: signal.Signals,
    tmp_path: Path,
    clients: ExitStack,
) -> None:
    options = OPTIONS.get(configuration.name, ())
    with serve(configuration, APP, tmp_path, workers=workers, options=options) as server:
        wait_for_workers(server, workers)
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        began = time.monotonic()
        server.process.signal(number)
        is_cut = closes_at_once(configuration)
        may_be_cut = is_cut or configuration.name in MAY_CUT_THE_LAST_FRAME
        if stops_within_a_second(configuration, number):
            may_be_cut = True
        assert rest_of(plain, may_be_cut=may_be_cut) == []
        last_words = rest_of(watching, may_be_cut=may_be_cut)
        if stops_within_a_second(configuration, number):
            is_cut = not last_words
        assert last_words == ([] if is_cut else ["farewell"])
        assert is_cut or plain.retry in RETRY
        assert is_cut or watching.retry in RETRY
        if configuration.protocol is not Protocol.HTTP1:
            # granian asks a client with PING whether it is done, and ours does not read on.
            clients.close()
        assert server.process.wait(EXIT_TIMEOUT) == exit_status(configuration, number, workers)
        assert time.monotonic() - began < EXIT_TIMEOUT
        log = server.process.log
    if not is_deaf(configuration, number):
        check_log(log)
    assert log.count("stream ended: SERVER_STOPPING") == 2
    assert "lifespan.shutdown" in log or skips_lifespan(configuration, number)


@pytest.mark.parametrize("path", ["/control/drain", "/control/drain-from-a-thread"])
@pytest.mark.parametrize("configuration", each_configuration())
def test_drain_ends_streams_with_a_farewell_and_the_server_goes_on(
    configuration: Configuration, path: str, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        plain, watching = open_streams(clients, server, "/plain", "/watching")
        server.ask(path)
        assert rest_of(plain) == []
        assert rest_of(watching) == ["farewell"]
        assert plain.retry in RETRY
        assert server.ask("/control/reasons") == "SERVER_STOPPING SERVER_STOPPING"
        check_log(server.process.log)


@pytest.mark.parametrize("configuration", each_configuration())
def test_lifetime_ends_a_stream_so_that_its_client_comes_back(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        (response,) = open_streams(clients, server, "/short-lived")
        assert rest_of(response) == []
        assert response.retry in RETRY
        assert server.ask("/control/reasons") == "LIFETIME"
