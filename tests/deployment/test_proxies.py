"""The proxies' configurations are valid, and pass the deployed application's events."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.proxies.proxy import Proxy as OtherProxy
from tests.proxies.setting import front_of, proxies_with
from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ServerProcess, free_port
from tests.web.proxies import DEPLOYMENT, caddy, haproxy, nginx, nginx_command

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn", "h11")]

Proxy = Callable[[int, Path], AbstractContextManager[ServerProcess]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run the deployed application."""
    port, log = free_port(), tmp_path_factory.mktemp("app") / "uvicorn.log"
    command = ("-m", "uvicorn", "--app-dir", str(DEPLOYMENT), "--port", str(port), "app:app")
    with ServerProcess(command, port, log) as process:
        process.wait_ready(PROBE)
        yield process


def check(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.needs("nginx")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    said = check(*nginx_command(tmp_path, free_port(), free_port()), "-t")
    assert "warn" not in said


@pytest.mark.needs("haproxy")
def test_haproxy_accepts_its_configuration() -> None:
    assert "WARNING" not in check("haproxy", "-c", "-f", str(DEPLOYMENT / "haproxy.cfg"))


@pytest.mark.needs("caddy")
def test_caddy_accepts_its_configuration() -> None:
    file = str(DEPLOYMENT / "Caddyfile")
    check("caddy", "validate", "--adapter", "caddyfile", "--config", file)


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(proxy, marks=pytest.mark.needs(proxy.__name__), id=proxy.__name__)
        for proxy in (nginx, haproxy, caddy)
    ],
)
def test_ticks_pass_the_proxy_as_they_were_sent(
    app: ServerProcess, proxy: Proxy, tmp_path: Path
) -> None:
    with proxy(app.port, tmp_path) as front:
        check_ticks(front.port)


@pytest.mark.parametrize("proxy", proxies_with("deployed"))
def test_ticks_pass_every_proxy_of_the_deployment(
    app: ServerProcess, proxy: OtherProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(proxy, app.port, tmp_path_factory, deployed=True)
    with front.running():
        check_ticks(front.port)


def check_ticks(port: int) -> None:
    with Http1Connection(port) as client:
        assert client.get("/ready").read_body() == b"ready\n"
        response = client.get("/events", headers=[("accept-encoding", "gzip")])
        assert response.header("content-encoding") is None
        events = [response.read_event(), response.read_event()]
    assert [event and event.event for event in events] == ["position", "tick"]
