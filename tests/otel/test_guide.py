"""The view of the guide keeps streams out of the times of requests, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation import _semconv
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from sse_asgi import EventStream
from sse_asgi.adapters.fastapi import EventSourceResponse
from sse_asgi.otel import StreamTelemetry
from tests.harness import serve
from tests.test_readme import BLOCKS, run_block

from .collected import Collected

DURATION = "http.server.request.duration"


@pytest.fixture
def view() -> Any:
    """Return the view that the guide shows."""
    where = next(where for where, block in BLOCKS.items() if "WithoutStreams" in block)
    return run_block(where)["view"]


def routes(collected: Collected, name: str) -> list[str]:
    return sorted(str(point.attributes.get("http.route")) for point in collected.points(name))


def test_requests_of_streams_are_not_timed(view: Any) -> None:
    collected = Collected([view])
    meter = collected.meters.get_meter("instrumentation")
    duration = meter.create_histogram(
        DURATION, "s", explicit_bucket_boundaries_advisory=[0.1, 1, 10]
    )
    other = meter.create_histogram("http.client.request.duration", "s")
    for route in ("/prices", "/users", "/news"):
        duration.record(1, {"http.route": route})
        other.record(1, {"http.route": route})
    duration.record(1)
    assert routes(collected, DURATION) == ["/users", "None"]
    assert routes(collected, "http.client.request.duration") == ["/news", "/prices", "/users"]
    (point, _) = collected.metrics()[DURATION].data.data_points
    assert list(point.explicit_bounds) == [0.1, 1, 10]  # those of the instrument


@pytest.mark.anyio
async def test_fastapi_does_not_time_streams_and_their_spans_are_linked(view: Any) -> None:
    collected = Collected([view])
    telemetry = StreamTelemetry(meter_provider=collected.meters, tracer_provider=collected.tracers)
    app = FastAPI(
        telemetry={
            "meter_provider": collected.meters,
            "tracer_provider": collected.tracers,
            "operation_spans": False,
        }
    )

    @app.get("/prices")
    async def prices() -> EventSourceResponse:
        return EventSourceResponse(
            ["a", "b", "c"], on_open=telemetry.on_open, on_close=telemetry.on_close
        )

    @app.get("/users")
    async def users() -> list[str]:
        return ["ann"]

    for path in ("/prices", "/users"):
        await serve(app, path=path)
    assert routes(collected, DURATION) == ["/users"]
    assert len(collected.points("sse.server.stream.duration")) == 1
    spans = {span.name: span for span in collected.spans()}
    assert sorted(spans) == ["GET /prices", "GET /users", "sse.stream"]
    assert len(collected.spans()) == 3  # none for an event
    (link,) = spans["sse.stream"].links
    assert link.context == spans["GET /prices"].context


@pytest.mark.anyio
async def test_instrumentation_of_asgi_does_not_time_streams(
    view: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_semconv.OTEL_SEMCONV_STABILITY_OPT_IN, "http")
    stability = _semconv._OpenTelemetrySemanticConventionStability
    monkeypatch.setattr(stability, "_initialized", False)
    monkeypatch.setattr(stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    collected = Collected([view])

    def details(scope: Any) -> tuple[str, dict[str, Any]]:
        return "GET", {"http.route": scope["path"]}  # as those of frameworks do

    app = OpenTelemetryMiddleware(
        EventStream(lambda: ["hello"]),
        default_span_details=details,
        meter_provider=collected.meters,
        tracer_provider=collected.tracers,
        exclude_spans=["send", "receive"],
    )
    for path in ("/prices", "/users"):
        await serve(app, path=path)
    assert routes(collected, DURATION) == ["/users"]
    assert len(collected.spans()) == 2
