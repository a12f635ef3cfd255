"""The limits that proxies have by default, and that the files of the deployment raise or lift."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from tests.servers.harness import Server
from tests.servers.http2 import Http2Connection

from .catalog import APACHE, ENVOY, VARNISH
from .proxy import Edit
from .setting import front_of
from .streams import HELD_BACK, opened, stays_open

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn", "h11")]

FEW_THREADS: Edit = (
    "Listen 8080",
    "ServerLimit 1\nStartServers 1\nThreadsPerChild 2\nMaxRequestWorkers 2\nListen 8080",
)
BREAKERS = "circuit_breakers: {thresholds: [{max_connections: 2, max_pending_requests: 1}]}"
FEW_CONNECTIONS: Edit = ("  - name: app\n    load", f"  - name: app\n    {BREAKERS}\n    load")
SHORT_ROUTE: Edit = ("route: {cluster: app}", "route: {cluster: app, timeout: 1s}")


@pytest.mark.needs(APACHE.needs)
def test_a_stream_holds_a_thread_of_apache(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(APACHE, server.process.port, tmp_path_factory, FEW_THREADS)
    with front.running(), ExitStack() as two, ExitStack() as one:
        for _ in range(2):
            response, _ = two.enter_context(opened(server, front.port, "/pinged"))
            response.wait_head()
        third, _ = one.enter_context(opened(server, front.port, "/pinged"))
        with pytest.raises(TimeoutError):
            third.wait_head(HELD_BACK)
        two.close()
        third.wait_head()


@pytest.mark.needs(APACHE.needs)
def test_apache_begins_with_six_streams_of_an_http2_connection(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(APACHE, server.process.port, tmp_path_factory, *(APACHE.http2 or ()))
    with front.running(), Http2Connection(front.port) as client:
        responses = [client.request("GET", f"/pinged?key=apache-{it}") for it in range(8)]
        with pytest.raises(TimeoutError):
            responses[7].wait_head(HELD_BACK)
    assert sum(response.status == 200 for response in responses) == 6


@pytest.mark.needs(ENVOY.needs)
def test_envoy_lets_streams_beyond_its_bound_wait_then_refuses_with_503(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(ENVOY, server.process.port, tmp_path_factory, FEW_CONNECTIONS)
    with front.running(), ExitStack() as stack:
        for _ in range(2):
            response, _ = stack.enter_context(opened(server, front.port, "/stream"))
            assert response.wait_head().status == 200
        third, _ = stack.enter_context(opened(server, front.port, "/stream"))
        with pytest.raises(TimeoutError):
            third.wait_head(HELD_BACK)
        fourth, _ = stack.enter_context(opened(server, front.port, "/stream"))
        assert fourth.wait_head().status == 503


@pytest.mark.needs(ENVOY.needs)
def test_envoy_cuts_a_stream_at_the_end_of_its_route_time_in_spite_of_pings(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(ENVOY, server.process.port, tmp_path_factory, SHORT_ROUTE)
    with front.running(), opened(server, front.port, "/pinged") as (response, _):
        # Envoy keeps the connection for one second more, for bytes that are on their way.
        assert not stays_open(response, 2.5)


@pytest.mark.needs(VARNISH.needs)
@pytest.mark.parametrize(("path", "requests"), [("/stream", 2), ("/raw", 1)])
def test_varnish_shares_a_stream_unless_it_is_told_not_to_store_it(
    server: Server, tmp_path_factory: pytest.TempPathFactory, path: str, requests: int
) -> None:
    front = front_of(VARNISH, server.process.port, tmp_path_factory)
    with front.running(), opened(server, front.port, path) as (first, key):
        server.ask("/control/tell", key=key, text="event")
        assert first.read_event() is not None
        with opened(server, front.port, path, key=key) as (second, _):
            second.wait_head()
            made = json.loads(server.ask("/control/requests", key=key))
    assert len(made) == requests
