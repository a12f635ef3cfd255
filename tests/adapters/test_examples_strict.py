"""The examples of the frameworks run to their end where every warning is an error."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ServerProcess, free_port

# Each framework's example, and the path of a stream that is open when the server stops.
EXAMPLES = {
    "starlette": ("starlette_events", "/events"),
    "fastapi": ("fastapi_tokens", "/chat/tokens?prompt=a+b+c+d+e+f+g+h"),
    "quart": ("quart_events", "/events"),
    "litestar": ("litestar_events", "/events"),
    "django": ("django_events", "/events"),
    "blacksheep": ("any_framework", "/mounted"),
    "falcon": ("any_framework", "/falcon/body"),
}
SERVERS = {
    "uvicorn": ("uvicorn", "--port"),
    "hypercorn": ("hypercorn", "--bind"),
}


@pytest.mark.parametrize(
    "server", [pytest.param(name, marks=pytest.mark.needs(name)) for name in SERVERS]
)
@pytest.mark.parametrize(
    "framework", [pytest.param(name, marks=pytest.mark.needs(name)) for name in EXAMPLES]
)
def test_example_warns_of_nothing_from_its_import_to_its_end(
    framework: str, server: str, tmp_path: Path
) -> None:
    port = free_port()
    example, path = EXAMPLES[framework]
    module, option = SERVERS[server]
    address = str(port) if server == "uvicorn" else f"127.0.0.1:{port}"
    command = ("-W", "error", "-m", module, option, address, f"examples.{example}:app")
    with ServerProcess(command, port, tmp_path / "log") as process:
        process.wait_ready(PROBE)
        with Http1Connection(port) as connection:
            response = connection.get(path)
            assert response.status == 200
            assert response.read_event() is not None
            process.signal(signal.SIGTERM)
            while response.read_event() is not None:
                pass
        assert process.wait() in (0, -signal.SIGTERM)
        for word in ("Traceback", "Warning", "Exception ignored"):
            assert word not in process.log
