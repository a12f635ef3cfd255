"""The commands of the deployment run, and stop at once with streams open."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ServerProcess, free_port
from tests.web.proxies import DEPLOYMENT, filled_in

UNIT = "sse-app.service"
CONFIGURATION = "gunicorn.conf.py"
BIN = "/srv/sse-app/venv/bin/"

STOPS_WITHIN = 5.0
"""Seconds; the bound of a graceful stop is twice as long."""


def container_command() -> list[str]:
    """Return the command of the Dockerfile, which has to be a JSON list."""
    found = re.findall(r"^CMD (.*)$", (DEPLOYMENT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    return [str(word) for word in json.loads(found[-1])]


def unit_command() -> list[str]:
    """Return the command of the systemd unit."""
    (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOYMENT / UNIT).read_text("utf-8"), re.MULTILINE)
    assert line.startswith(BIN)
    return shlex.split(line.removeprefix(BIN))


def run(command: Sequence[str], port: int, directory: Path) -> ServerProcess:
    """Run a command that serves the application in ``directory``."""
    shutil.copy(DEPLOYMENT / "app.py", directory)
    arguments = ["-m", *command]
    # They run where the application is, as the container and the unit do.
    return ServerProcess(arguments, port, directory / "server.log", {"PYTHONPATH": str(directory)})


def check_stop(process: ServerProcess) -> None:
    """Stop the server while a stream is open; the stream ends, and so does the server."""
    with ExitStack() as stack:
        stack.enter_context(process)
        process.wait_ready(PROBE)
        client = stack.enter_context(Http1Connection(process.port))
        response = client.get("/events")
        first = response.read_event()
        assert first is not None
        assert first.event == "position"
        begin = time.monotonic()
        process.signal(signal.SIGTERM)
        while response.read_event() is not None:
            pass
        assert response.is_complete
        assert response.retry is not None
        process.wait_gone()
        assert time.monotonic() - begin < STOPS_WITHIN
        assert "Traceback" not in process.log, process.log


@pytest.mark.needs("uvicorn", "starlette")
@pytest.mark.parametrize("command", [container_command, unit_command])
def test_command_stops_at_once_with_a_stream_open(
    command: Callable[[], list[str]], tmp_path: Path
) -> None:
    port = free_port()
    words = [str(port) if word == "8000" else word for word in command()]
    assert str(port) in words
    check_stop(run(words, port, tmp_path))


@pytest.mark.needs("gunicorn", "uvicorn_worker", "starlette")
def test_gunicorn_stops_at_once_with_a_stream_open(tmp_path: Path) -> None:
    port = free_port()
    text = filled_in(CONFIGURATION, {"127.0.0.1:8000": f"127.0.0.1:{port}"})
    (tmp_path / CONFIGURATION).write_text(text)
    check_stop(run(["gunicorn", "-c", CONFIGURATION, "app:app"], port, tmp_path))


@pytest.mark.needs("gunicorn", "uvicorn_worker", "starlette")
def test_gunicorn_accepts_its_configuration() -> None:
    command = ("-m", "gunicorn", "--check-config", "-c", CONFIGURATION, "app:app")
    subprocess.run((sys.executable, *command), cwd=DEPLOYMENT, check=True, timeout=30)


@pytest.mark.parts
@pytest.mark.needs("systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT
    values = {f"{BIN}uvicorn": sys.executable, "/srv/sse-app\n": f"{tmp_path}\n"}
    unit.write_text(filled_in(UNIT, values))
    done = subprocess.run(
        ("systemd-analyze", "verify", str(unit)), capture_output=True, text=True, timeout=30
    )
    assert UNIT not in done.stdout + done.stderr
