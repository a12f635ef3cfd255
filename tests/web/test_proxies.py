"""What stands between: events pass each proxy one by one, and a disconnect gets through.

The proxies have the configurations of ``examples/deployment``.

An event counts as live if it arrives before the test has the next one sent. Each test of nginx has
its negative control: the same stream without the headers of this library.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from zlib import decompressobj

import pytest

from sse_asgi import EventDecoder
from tests.servers import http1
from tests.servers.apps import END
from tests.servers.configurations import CONFIGURATIONS, Configuration
from tests.servers.harness import Server, serve
from tests.servers.response import TIMEOUT

from .app import PING
from .proxies import caddy, haproxy, nginx

pytestmark = [pytest.mark.parts, pytest.mark.needs("nginx", "haproxy")]

# The servers that answer an HTTP/1.0 request, which is nginx's default, without chunks.
SERVERS = ("uvicorn-h11-asyncio", "hypercorn-asyncio-h1", "granian-asyncio-h1")

HELD_BACK = 0.7
"""Seconds without an event that tell that it is held back; live ones take milliseconds.

Where it has to be live, the test waits as long as for anything.
"""


def named(name: str) -> Configuration:
    return next(configuration for configuration in CONFIGURATIONS if configuration.name == name)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.needs(*named(name).needs), id=named(name).server)
        for name in SERVERS
    ],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve the app on each of the servers."""
    with serve(named(request.param), "tests.web.app:app", tmp_path_factory.mktemp("log")) as server:
        yield server


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the app on uvicorn, where the server makes no difference."""
    with serve(named(SERVERS[0]), "tests.web.app:app", tmp_path_factory.mktemp("log")) as server:
        yield server


def is_live(server: Server, port: int, path: str, timeout: float = TIMEOUT) -> bool:
    """Tell whether each of four events arrives through ``port`` before the next one is sent."""
    key = f"{path}-{port}"
    with http1.Http1Connection(port) as client:
        response = client.request("GET", f"{path}?key={key}")
        try:
            for number in range(4):
                server.ask("/control/tell", key=key, text=f"event {number}")
                try:
                    event = response.read_event(timeout)
                except TimeoutError:
                    return False
                assert event is not None
                assert event.data == f"event {number}"
        finally:
            server.ask("/control/tell", key=key, text=END)
    return True


def test_events_pass_nginx_with_its_defaults_thanks_to_the_headers(
    server: Server, tmp_path: Path
) -> None:
    with nginx(server.process.port, tmp_path) as proxy:
        assert is_live(server, proxy.port, "/stream")
        assert not is_live(server, proxy.port, "/raw", HELD_BACK)


def test_events_pass_nginx_that_compresses(uvicorn: Server, tmp_path: Path) -> None:
    directives = ("proxy_http_version 1.1;", "gzip on;", "gzip_types text/event-stream;")
    with nginx(uvicorn.process.port, tmp_path, *directives) as proxy:
        assert read_compressed(uvicorn, proxy.port, "/stream") == "event"
        assert read_compressed(uvicorn, proxy.port, "/raw", HELD_BACK) == ""


def read_compressed(server: Server, port: int, path: str, timeout: float = TIMEOUT) -> str:
    """Return the event that a stream through a compressing proxy brings, or nothing."""
    key = f"{path}-{port}"
    with http1.Http1Connection(port) as client:
        response = client.request("GET", f"{path}?key={key}", headers=[("accept-encoding", "gzip")])
        server.ask("/control/tell", key=key, text="event")
        inflater, decoder = decompressobj(31), EventDecoder()
        try:
            while not (events := decoder.feed(inflater.decompress(response.read_piece(timeout)))):
                assert response.header("content-encoding") == "gzip"
            return events[0].data
        except TimeoutError:
            return ""
        finally:
            server.ask("/control/tell", key=key, text=END)


def seconds_until_noticed(server: Server, port: int, path: str) -> float:
    """Return how long after the client has left the content is closed."""
    key = f"{path}-{port}"
    with http1.Http1Connection(port) as client:
        response = client.get(f"{path}?key={key}")
        response.read_piece()
    left = time.monotonic()
    server.ask("/control/closed", key=key)
    return time.monotonic() - left


def test_disconnect_behind_nginx_is_noticed_within_a_second(
    uvicorn: Server, tmp_path: Path
) -> None:
    with nginx(uvicorn.process.port, tmp_path) as proxy:
        assert seconds_until_noticed(uvicorn, proxy.port, "/stream") < 1


def test_disconnect_behind_haproxy_is_noticed_within_two_pings(
    uvicorn: Server, tmp_path: Path
) -> None:
    with haproxy(uvicorn.process.port, tmp_path) as proxy:
        seconds = seconds_until_noticed(uvicorn, proxy.port, "/pinged")
        assert seconds < 2 * PING + 1


def test_events_pass_haproxy(uvicorn: Server, tmp_path: Path) -> None:
    with haproxy(uvicorn.process.port, tmp_path) as proxy:
        assert is_live(uvicorn, proxy.port, "/stream")


@pytest.mark.needs("caddy")
def test_events_pass_caddy_and_a_disconnect_is_noticed(uvicorn: Server, tmp_path: Path) -> None:
    with caddy(uvicorn.process.port, tmp_path) as proxy:
        assert is_live(uvicorn, proxy.port, "/stream")
        assert seconds_until_noticed(uvicorn, proxy.port, "/stream") < 1
