"""What servers do to streams without this library; a failure here means that one was mended.

Then its row in the README's table, and what the library does about it, can be looked at again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from .configurations import Configuration, Protocol
from .harness import each_configuration, serve
from .http2 import Http2Connection
from .test_clients import swallows

APP = "tests.servers.bare_app:app"

# hypercorn gives streams three seconds, and on asyncio forgets to from Python 3.12 on.
WAITS_FOR_EVER = {"uvicorn", "granian"} | ({"hypercorn"} if sys.version_info >= (3, 12) else set())


def waits_for_ever(configuration: Configuration) -> bool:
    """Tell whether the server does not exit while a stream is open."""
    return configuration.server in WAITS_FOR_EVER and "trio" not in configuration.name


@pytest.mark.parametrize(
    "configuration",
    each_configuration(
        when=lambda it: it.name.endswith(("asyncio", "asyncio-h1")) and waits_for_ever(it)
    ),
)
def test_server_waits_for_an_open_stream_for_ever(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        response = clients.enter_context(server.connect()).get("/stream")
        assert response.read_event() is not None
        server.process.signal(signal.SIGTERM)
        with pytest.raises(TimeoutError):
            server.process.wait(4)


@pytest.mark.parametrize(
    "configuration", each_configuration(when=lambda it: it.name == "granian-asyncio-h1")
)
@pytest.mark.parametrize("presses", [1, 2])
def test_granian_freezes_at_the_third_signal(
    configuration: Configuration, presses: int, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        with server.connect() as connection:
            assert connection.get("/stream").read_event() is not None
            for _ in range(presses):
                # The worker hears each Ctrl-C twice: from the terminal and from its parent.
                server.process.signal(signal.SIGINT, to_group=True)
                with pytest.raises(TimeoutError):
                    server.process.wait(0.5)
        if presses == 1:
            server.process.wait(4)  # now that the client has left
        else:
            with pytest.raises(TimeoutError):
                server.process.wait(2)


@pytest.mark.parametrize(
    "configuration",
    each_configuration(when=swallows),
)
def test_server_takes_whatever_is_sent_on_a_stream_whose_window_is_full(
    configuration: Configuration, tmp_path: Path, clients: ExitStack
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        connection = clients.enter_context(server.connect())
        assert isinstance(connection, Http2Connection)
        connection.starve(response := connection.get("/flood"))
        response.wait_head()
        server.process.wait_log("swallowed")


@pytest.mark.parts
@pytest.mark.needs("rloop")
def test_rloop_does_not_sleep_forever() -> None:
    code = (
        "import anyio, rloop\n"
        "rloop.new_event_loop().run_until_complete(anyio.sleep_forever())\n"
        "print('awake')"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=10)
    assert done.stdout == "awake\n", done.stderr


@pytest.mark.parametrize(
    "configuration", each_configuration(when=lambda it: it.name == "gunicorn-uvicorn")
)
def test_uvicorn_s_worker_under_gunicorn_ignores_sigquit(
    configuration: Configuration, tmp_path: Path
) -> None:
    options = ("--graceful-timeout", "1")
    with serve(configuration, APP, tmp_path, options=options) as server:
        server.process.signal(signal.SIGINT)  # which the parent passes on as SIGQUIT
        assert server.process.wait(4) == 0
        assert "was sent SIGKILL" in server.process.log


@pytest.mark.parametrize(
    "configuration", each_configuration(when=lambda it: it.protocol is Protocol.HTTP3)
)
def test_application_is_not_told_that_a_connection_of_quic_is_closed(
    configuration: Configuration, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server:
        with server.connect() as connection:
            assert connection.get("/told").read_event() is not None
        with pytest.raises(TimeoutError):
            server.process.wait_log("told", timeout=1)
