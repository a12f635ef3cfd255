# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi[otel]", "opentelemetry-exporter-prometheus", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Metrics of streams and of a hub for Prometheus.

Run: python examples/metrics_prometheus.py
Try: curl -N localhost:8000/news & curl localhost:8000/metrics | grep sse_
"""

import os

import uvicorn
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, Subscription
from sse_asgi.otel import StreamTelemetry, observe_hubs

hub = Hub()
meters = MeterProvider([PrometheusMetricReader()])
telemetry = StreamTelemetry({"http.route": "/news"}, meter_provider=meters)
observe_hubs({"news": hub}, meter_provider=meters)


def news(connection: Connection) -> Subscription:
    return hub.subscribe("news", last_event_id=connection.last_event_id)


async def metrics(request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def announce(request: Request) -> Response:
    return Response(await hub.publish("news", {"event": "headline", "data": {"n": 1}}))


streams = EventSourceApp(news, on_open=telemetry.on_open, on_close=telemetry.on_close)
app = Starlette(
    routes=[
        Route("/news", streams),
        Route("/announce", announce, methods=["POST"]),
        Route("/metrics", metrics),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
