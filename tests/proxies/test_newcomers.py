"""Each proxy as a newcomer configures it: the least that passes requests on, all else by default.

The facts of each proxy stand in :mod:`.catalog`, and in the guide of the proxies. A proxy that
holds events back has the file of the deployment where a test wants events.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.apps import END
from tests.servers.harness import Server
from tests.servers.response import TIMEOUT

from .proxy import Flow, Front, Proxy
from .setting import front_of, proxies_with
from .streams import HELD_BACK, flow_of, opened, read_coded, seconds_until_noticed, stays_open

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn", "h11")]


@pytest.fixture(scope="module", params=proxies_with("newcomer"))
def front(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """Run a proxy with the newcomer's configuration."""
    front = front_of(request.param, server.process.port, tmp_path_factory)
    with front.running():
        yield front


def patience(flow: Flow) -> float:
    """Return how long to wait for an event: little where it is held back."""
    return HELD_BACK if flow is Flow.HELD else TIMEOUT


def test_events_pass_as_the_guide_says(server: Server, front: Front) -> None:
    flow = front.proxy.flow
    assert flow_of(server, front.port, "/stream", patience(flow)) is flow


def test_without_our_headers_events_pass_as_the_guide_says(server: Server, front: Front) -> None:
    flow = front.proxy.raw
    assert flow_of(server, front.port, "/raw", patience(flow)) is flow


def test_a_stream_that_the_app_compresses_passes(server: Server, front: Front) -> None:
    is_held = front.proxy.flow is Flow.HELD
    coding = read_coded(server, front.port, "/packed", patience(front.proxy.flow))
    assert coding == (None if is_held else "gzip")


def test_the_header_that_asks_for_no_buffering_passes(server: Server, front: Front) -> None:
    with opened(server, front.port, "/stream") as (response, key):
        server.ask("/control/tell", key=key, text=END)
        assert response.wait_head().header("incremental") == "?1"


def test_a_disconnect_is_told_within_the_pings_of_the_guide(server: Server, front: Front) -> None:
    bound = front.proxy.notice
    is_told = seconds_until_noticed(server, front.port, "/pinged", bound) < bound
    # A proxy that holds a stream back reads it to its end, with or without a client.
    assert is_told is (front.proxy.flow is not Flow.HELD)


@pytest.mark.parametrize("proxy", proxies_with("http2"))
def test_events_pass_over_http2(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    edits, is_held = proxy.http2 or (), proxy.flow is Flow.HELD
    front = front_of(proxy, server.process.port, tmp_path_factory, *edits, deployed=is_held)
    with front.running():
        assert flow_of(server, front.port, "/stream", http2=True) is Flow.LIVE


@pytest.mark.parametrize("proxy", proxies_with("compressing"))
def test_events_pass_a_proxy_that_compresses_as_the_guide_says(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert proxy.compressing is not None
    timeout = HELD_BACK if proxy.coding is None else TIMEOUT
    front = front_of(proxy, server.process.port, tmp_path_factory, proxy.compressing)
    with front.running():
        coding = read_coded(server, front.port, "/stream", timeout)
    assert coding == proxy.coding


@pytest.mark.parametrize("proxy", proxies_with("impatient"))
def test_pings_outlast_the_timeout_of_the_proxy(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert proxy.impatient is not None
    is_held = proxy.flow is Flow.HELD
    front = front_of(
        proxy, server.process.port, tmp_path_factory, proxy.impatient, deployed=is_held
    )
    with (
        front.running(),
        opened(server, front.port, "/pinged") as (pinged, _),
        opened(server, front.port, "/stream") as (silent, _),
    ):
        assert stays_open(pinged, 2.5)
        assert not stays_open(silent, 1.5)
