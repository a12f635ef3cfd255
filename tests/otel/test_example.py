"""The example of Prometheus, as printed."""

from __future__ import annotations

import pytest

from sse_asgi.otel import hubs as hubs_module
from sse_asgi.testing import connect

pytestmark = pytest.mark.needs("starlette", "prometheus_client")


async def exposed() -> dict[str, float]:
    """Return what Prometheus reads, by name and labels."""
    from examples.metrics_prometheus import app

    async with connect(app, "/metrics") as answer:
        lines = (await answer.body()).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("sse_")]
    return {
        name.partition("{")[0] + ("|" + reason if "close_reason" in name else ""): float(value)
        for name, value in pairs
        for reason in [name.partition('sse_close_reason="')[2].partition('"')[0]]
    }


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_prometheus_reads_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.metrics_prometheus import app

    async with connect(app, "/news") as events:
        assert (await events.receive()).event == "position"
        async with connect(app, "/announce", method="POST") as answer:
            assert answer.status == 200
            await answer.body()
        assert (await events.receive()).json() == {"n": 1}
        assert (await exposed())["sse_server_active_streams"] == 1
    monkeypatch.setattr(hubs_module, "_FRESH", 0)  # look at the hub again
    found = await exposed()
    assert found["sse_server_active_streams"] == 0
    assert found["sse_server_opened_streams_total"] == 1
    assert found["sse_server_closed_streams_total|client_gone"] == 1
    assert found["sse_server_stream_duration_seconds_count|client_gone"] == 1
    assert found["sse_server_first_event_time_seconds_count"] == 1
    assert found["sse_hub_published_events_total"] == 1
    assert found["sse_hub_subscribers"] == 0
    assert found["sse_hub_history_size_bytes"] > 0
