# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Metrics: on_close gets an account of each stream, and /metrics shows the sums to Prometheus.

Run: python examples/metrics.py
Try: curl -N localhost:8000/events, break it off, and curl localhost:8000/metrics
"""

import os
from collections import Counter
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, ServerSentEvent, StreamSummary

closed, sums = Counter[str](), Counter[str]()


def account(summary: StreamSummary) -> None:  # once for each stream, however it ended
    closed[summary.reason.name.lower()] += 1
    sums["events"] += summary.events
    sums["bytes"] += summary.bytes
    sums["milliseconds"] += round(1000 * summary.seconds)


async def ticks(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    for number in range(int(connection.query.get("count", "1000"))):
        yield ServerSentEvent({"number": number}, event="tick")
        await anyio.sleep(0.2)


stream = EventSourceApp(ticks, on_close=account)


async def metrics(request: Request) -> PlainTextResponse:
    lines = ["# TYPE sse_streams_open gauge", f"sse_streams_open {stream.open}"]
    lines.append("# TYPE sse_streams_closed_total counter")
    for reason, number in sorted(closed.items()):
        lines.append(f'sse_streams_closed_total{{reason="{reason}"}} {number}')
    for name, number in sorted(sums.items()):
        lines += [f"# TYPE sse_{name}_total counter", f"sse_{name}_total {number}"]
    text = "\n".join([*lines, ""])
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


app = Starlette(routes=[Route("/events", stream), Route("/metrics", metrics)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
