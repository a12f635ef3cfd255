"""Start a server on an app, and connect to it: all that a test of a real server needs.

A test takes its configurations from :func:`each_configuration`, starts one with :func:`serve`, and
talks to it on the connections of :meth:`Server.connect`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers import http1, http2, http3

from .configurations import CONFIGURATIONS, Configuration, Protocol
from .process import ServerProcess, free_port
from .response import Connection

__all__ = ["Server", "each_configuration", "serve"]

ATTEMPTS = 3


class Server:
    """A running server."""

    def __init__(self, configuration: Configuration, process: ServerProcess) -> None:
        self.configuration = configuration
        self.process = process

    def connect(self) -> Connection:
        """Open a connection in the protocol of the configuration."""
        if self.configuration.protocol is Protocol.HTTP2:
            return http2.Http2Connection(self.process.port)
        if self.configuration.protocol is Protocol.HTTP3:
            return http3.Http3Connection(self.process.port)
        return http1.Http1Connection(self.process.port)

    def ask(self, path: str, **query: str) -> str:
        """Return the body of the answer to a GET request on a connection of its own."""
        with self.connect() as connection:
            response = connection.get(f"{path}?{urlencode(query)}")
            body = response.read_body().decode()
            assert response.status == 200, body
            return body


def each_configuration(
    *, when: Callable[[Configuration], bool] = lambda configuration: True
) -> list[Any]:
    """Return the parameters of a test: the configurations, each with the parts that it needs."""
    return [
        pytest.param(
            configuration,
            id=configuration.name,
            marks=marks_of(configuration),
        )
        for configuration in CONFIGURATIONS
        if when(configuration)
    ]


def marks_of(configuration: Configuration) -> list[pytest.MarkDecorator]:
    """Return the markers of a test that runs the configuration."""
    marks = [pytest.mark.needs(*configuration.needs)]
    return [*marks, pytest.mark.parts] if configuration.runs_once else marks


def make_certificate(directory: Path) -> None:
    """Make a key and a certificate that it has signed itself."""
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-keyout", "key.pem", "-out", "certificate.pem"),
    )
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=20)


@contextmanager
def serve(
    configuration: Configuration,
    app: str,
    directory: Path,
    *,
    workers: int = 1,
    options: Sequence[str] = (),
) -> Iterator[Server]:
    """Serve ``app``, an import path, until the block ends; the log goes to ``directory``.

    :raises RuntimeError: the server ended before it answered
    :raises TimeoutError: it does not answer
    """
    if configuration.protocol is Protocol.HTTP3:
        make_certificate(directory)
    probe = http2.PROBE if configuration.protocol is Protocol.HTTP2 else http1.PROBE
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        arguments = configuration.arguments(app, port, workers=workers, options=options)
        log = directory / f"{configuration.name}-{port}.log"
        with ServerProcess(arguments, port, log) as process:
            try:
                process.wait_ready(probe)
            except RuntimeError:
                # Somebody else may have taken the port since it was found free.
                if "in use" not in process.log or attempt == ATTEMPTS:
                    raise
                continue
            yield Server(configuration, process)
            return
