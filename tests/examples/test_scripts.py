"""The examples of frameworks and of the hub, started as scripts: each serves its stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.http1 import Http1Connection

from .running import PATIENCE, next_event, running

pytestmark = [pytest.mark.parts, pytest.mark.needs("uvicorn")]

STREAMS = {
    "any_framework": ("/mounted?name=x", "x 0", ("blacksheep", "falcon")),
    "chat": ("/rooms/tea/events", "position", ("starlette",)),
    "django_events": ("/events?name=x", "x 0", ("django",)),
    "fastapi_sqlalchemy": ("/before", "1", ("fastapi", "sqlalchemy", "aiosqlite")),
    "fastapi_tokens": ("/chat/tokens?prompt=a+b", '{"kind":"token","text":"a"}', ("fastapi",)),
    "litestar_events": ("/events?name=x", "x 0", ("litestar",)),
    "metrics_prometheus": ("/news", "position", ("starlette", "prometheus_client")),
    "price_ticker": ("/prices", "position", ("starlette",)),
    "quart_events": ("/events?name=x", "x 0", ("quart", "hypercorn")),
    "starlette_events": ("/events", "events 0", ("starlette",)),
}
"""The path of each stream, the name or the data of its first event, and the packages for it."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.needs(*row[2])) for name, row in STREAMS.items()],
)
def test_script_serves_its_stream(name: str, tmp_path: Path) -> None:
    path, first, _ = STREAMS[name]
    with running(name, tmp_path) as process, Http1Connection(process.port) as client:
        response = client.request("GET", path).wait_head(PATIENCE)
        assert response.status == 200
        event = next_event(response)
        assert first in (event.event, event.data)
