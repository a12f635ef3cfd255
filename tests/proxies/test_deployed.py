"""Each proxy with its file of ``examples/deployment``: whatever its defaults, events are live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.harness import Server

from .proxy import Flow, Front, Proxy
from .setting import front_of, proxies_with
from .streams import flow_of, opened, read_coded, seconds_until_noticed

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn", "h11")]


@pytest.fixture(scope="module", params=proxies_with("deployed"))
def front(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """Run a proxy with the deployment's configuration."""
    front = front_of(request.param, server.process.port, tmp_path_factory, deployed=True)
    with front.running():
        yield front


def test_events_are_live(server: Server, front: Front) -> None:
    assert flow_of(server, front.port, "/stream") is Flow.LIVE


def test_a_stream_that_the_app_compresses_is_live(server: Server, front: Front) -> None:
    assert read_coded(server, front.port, "/packed") == "gzip"


def test_a_disconnect_is_told_within_the_pings_of_the_guide(server: Server, front: Front) -> None:
    bound = front.proxy.notice
    assert seconds_until_noticed(server, front.port, "/pinged", bound) < bound


@pytest.mark.parametrize("proxy", proxies_with("deployed"))
def test_events_are_live_if_the_proxy_compresses(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    edits = filter(None, [proxy.compressing])
    front = front_of(proxy, server.process.port, tmp_path_factory, *edits, deployed=True)
    with front.running():
        coding = read_coded(server, front.port, "/stream")
    assert coding == (proxy.coding or "identity")


@pytest.mark.parametrize("proxy", proxies_with("deployed"))
def test_a_client_resumes_after_the_proxy_was_killed(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(proxy, server.process.port, tmp_path_factory, deployed=True)
    with front.running(), opened(server, front.port, "/hub") as (response, _):
        assert response.read_event() is not None
        server.ask("/control/publish", text="before")
        event = response.read_event()
        assert event is not None
        assert event.data == "before"
    for text in ("meanwhile 1", "meanwhile 2"):
        server.ask("/control/publish", text=text)
    with (
        front.running(),
        opened(server, front.port, "/hub", last_event_id=event.id) as (response, _),
    ):
        position, *missed = [response.read_event() for _ in range(3)]
    assert position is not None
    assert position.json() == {"resumed": True, "missed": 2}
    assert [event and event.data for event in missed] == ["meanwhile 1", "meanwhile 2"]


@pytest.mark.parametrize("proxy", proxies_with("reload"))
def test_a_reload_serves_new_clients_beside_an_old_stream(
    server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    front = front_of(proxy, server.process.port, tmp_path_factory, deployed=True)
    with front.running() as process, opened(server, front.port, "/pinged") as (response, key):
        response.read_piece()
        assert proxy.reload is not None
        process.signal(proxy.reload)
        assert flow_of(server, front.port, "/stream") is Flow.LIVE
        server.ask("/control/tell", key=key, text="to the old stream")
        event = response.read_event()
        assert event is not None
        assert event.data == "to the old stream"
