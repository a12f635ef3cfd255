"""Streams are counted, timed and traced, and nothing happens for an event."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NoOpTracerProvider, StatusCode

from sse_asgi import Connection, EventSourceApp, EventStream, Refusal, StreamSummary
from sse_asgi.broadcast import Hub
from sse_asgi.otel import StreamTelemetry
from sse_asgi.testing import VirtualClock, connect
from tests.harness import serve, serving

from .collected import Collected, Point

pytestmark = pytest.mark.anyio

ROUTE = {"http.route": "/prices"}


@pytest.fixture
def collected() -> Collected:
    """Return what an exporter would get."""
    return Collected()


@pytest.fixture
def telemetry(collected: Collected) -> StreamTelemetry:
    """Return the telemetry of one application."""
    return StreamTelemetry(
        ROUTE, meter_provider=collected.meters, tracer_provider=collected.tracers
    )


def app_of(handler: Any, telemetry: StreamTelemetry, **options: Any) -> EventSourceApp:
    return EventSourceApp(
        handler, on_open=telemetry.on_open, on_close=telemetry.on_close, **options
    )


async def ending(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    yield "b"


async def waiting(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    await anyio.sleep_forever()


async def failing(connection: Connection) -> AsyncIterator[str]:
    yield "a"
    raise LookupError("feed")


async def refusing(connection: Connection) -> AsyncIterator[str]:
    raise Refusal(403)
    yield ""


async def test_stream_is_active_while_it_is_open(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    app = app_of(waiting, telemetry)
    async with connect(app) as first, connect(app) as second:
        await first.receive()
        await second.receive()
        assert collected.points("sse.server.active_streams") == [Point(2, ROUTE)]
        assert collected.points("sse.server.opened_streams") == [Point(2, ROUTE)]
        assert not collected.points("sse.server.closed_streams")
        assert not collected.spans()
    assert collected.points("sse.server.active_streams") == [Point(0, ROUTE)]
    assert collected.points("sse.server.opened_streams") == [Point(2, ROUTE)]
    reason = {**ROUTE, "sse.close_reason": "client_gone"}
    assert collected.points("sse.server.closed_streams") == [Point(2, reason)]
    assert len(collected.spans()) == 2


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (ending, {"sse.close_reason": "completed"}),
        (failing, {"sse.close_reason": "error", "error.type": "LookupError"}),
        (refusing, {"sse.close_reason": "refused"}),
    ],
)
async def test_stream_is_closed_by_its_reason(
    collected: Collected, telemetry: StreamTelemetry, handler: Any, reason: dict[str, str]
) -> None:
    with pytest.raises(LookupError) if handler is failing else anyio.CancelScope():
        await serve(app_of(handler, telemetry))
    assert collected.points("sse.server.closed_streams") == [Point(1, {**ROUTE, **reason})]
    assert collected.points("sse.server.active_streams") == [Point(0, ROUTE)]
    (duration,) = collected.points("sse.server.stream.duration")
    assert duration.attributes == {**ROUTE, **reason}
    (span,) = collected.spans()
    assert {**ROUTE, **reason}.items() <= dict(span.attributes or {}).items()
    assert (span.status.status_code is StatusCode.ERROR) is (handler is failing)
    assert [event.name for event in span.events] == ["exception"] * (handler is failing)
    timed = collected.points("sse.server.first_event.time")
    assert [point.attributes for point in timed] == ([] if handler is refusing else [ROUTE])


async def test_lifetime_and_first_event_are_measured_in_seconds(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    send, receive = anyio.create_memory_object_stream[str](1)
    with VirtualClock() as clock, send:
        async with serving(app_of(lambda connection: receive, telemetry)) as served:
            await clock.advance(3)
            await send.send("a")
            await clock.advance(600)
            served.peer.leave()
            await served.returned()
    assert [point.value for point in collected.points("sse.server.stream.duration")] == [603]
    assert [point.value for point in collected.points("sse.server.first_event.time")] == [3]
    metrics = collected.metrics()
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "sse.server.opened_streams": "{stream}",
        "sse.server.active_streams": "{stream}",
        "sse.server.closed_streams": "{stream}",
        "sse.server.stream.duration": "s",
        "sse.server.first_event.time": "s",
    }
    assert all(metric.description.endswith(".") for metric in metrics.values())
    (point,) = metrics["sse.server.stream.duration"].data.data_points
    assert max(point.explicit_bounds) == 86_400


async def test_span_says_what_the_stream_was(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    await serve(app_of(ending, telemetry), path="/eur", headers=[(b"last-event-id", b"7")])
    (span,) = collected.spans()
    assert span.name == "sse.stream"
    attributes = dict(span.attributes or {})
    assert attributes.pop("sse.first_event.time") is not None
    assert attributes == {
        **ROUTE,
        "url.path": "/eur",
        "http.request.method": "GET",
        "sse.resumed": True,
        "sse.close_reason": "completed",
        "sse.events": 2,
        "sse.bytes": 18,
    }


async def test_stream_that_began_unseen_is_left_alone(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    await serve(EventSourceApp(ending, on_close=telemetry.on_close))
    assert not collected.metrics()


async def test_request_that_is_no_stream_is_not_counted(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    await serve(app_of(ending, telemetry), method="HEAD")
    await serve(app_of(ending, telemetry), method="POST")
    assert not collected.metrics()


async def test_spans_may_be_left_out(collected: Collected) -> None:
    telemetry = StreamTelemetry(
        meter_provider=collected.meters, tracer_provider=NoOpTracerProvider()
    )
    await serve(app_of(ending, telemetry))
    assert collected.points("sse.server.opened_streams") == [Point(1, {})]
    assert not collected.spans()


async def test_providers_are_the_global_ones_by_default() -> None:
    telemetry = StreamTelemetry()  # the API without the SDK does nothing
    peer = await serve(app_of(ending, telemetry))
    assert peer.bodies == [b"data: a\n\n", b"data: b\n\n"]


@pytest.mark.parametrize("attributes", ["http.route", [("a", 1)], 7])
async def test_attributes_must_be_a_mapping(attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping or None, not"):
        StreamTelemetry(attributes)


# -- the span of the request -----------------------------------------------------------------------


def by_name(collected: Collected) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in collected.spans():
        found.setdefault(span.name, []).append(span)
    return found


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


async def test_span_of_a_stream_is_linked_to_that_of_its_request(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    current: list[trace.Span] = []

    async def content(connection: Connection) -> AsyncIterator[str]:
        current.append(trace.get_current_span())
        yield "a"
        current.append(trace.get_current_span())

    app = OpenTelemetryMiddleware(
        app_of(content, telemetry),
        exclude_spans=["send", "receive"],
        tracer_provider=collected.tracers,
        meter_provider=collected.meters,
    )
    await serve(app, path="/prices")
    spans = by_name(collected)
    assert set(spans) == {"GET /prices", "sse.stream"}  # and none for an event
    (request,), (stream,) = spans["GET /prices"], spans["sse.stream"]
    assert stream.parent is None
    assert stream.context is not None and request.context is not None
    assert stream.context.trace_id != request.context.trace_id
    assert linked(stream) == [request.context.span_id]
    # What the content does belongs to its request, and to nobody else's.
    assert {span.get_span_context().span_id for span in current} == {request.context.span_id}


async def test_streams_of_a_hub_do_not_share_their_requests(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    hub = Hub()
    seen: list[trace.Span] = []

    def note(entry: object) -> bool:
        seen.append(trace.get_current_span())
        return True

    app = OpenTelemetryMiddleware(
        app_of(lambda connection: hub.subscribe("t", filter=note), telemetry),
        exclude_spans=["send", "receive"],
        tracer_provider=collected.tracers,
    )
    async with connect(app) as first, connect(app) as second:
        for events in (first, second):
            assert (await events.receive()).event == "position"
        await hub.publish("t", "x")
        for events in (first, second):
            assert (await events.receive()).data == "x"
    assert not trace.get_current_span().get_span_context().is_valid
    spans = by_name(collected)
    requests = sorted(span.context.span_id for span in spans["GET /"] if span.context)
    assert sorted(link for span in spans["sse.stream"] for link in linked(span)) == requests
    assert sorted({span.get_span_context().span_id for span in seen}) == requests


async def test_span_is_linked_to_the_caller_where_the_request_has_none(
    collected: Collected, telemetry: StreamTelemetry
) -> None:
    caller = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await serve(app_of(ending, telemetry), headers=[(b"traceparent", caller)])
    await serve(app_of(ending, telemetry), headers=[(b"traceparent", b"nonsense")])
    first, second = collected.spans()
    assert linked(first) == [0xB7AD6B7169203331]
    assert first.parent is None
    assert linked(second) == []


# -- cost ------------------------------------------------------------------------------------------


async def calls_of(app: Any) -> int:
    """Return how many functions of OpenTelemetry, or of its module here, a stream calls."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        module = frame.f_globals.get("__name__", "")
        calls += event == "call" and module.startswith(("opentelemetry", "sse_asgi.otel"))

    sys.setprofile(count)
    try:
        await serve(app)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False})], ids=["asyncio"])
async def test_nothing_happens_for_an_event(telemetry: StreamTelemetry) -> None:
    def stream(events: int) -> EventStream:
        async def content() -> AsyncIterator[str]:
            for _ in range(events):
                yield "a"

        return EventStream(content, on_open=telemetry.on_open, on_close=telemetry.on_close)

    await serve(stream(1))  # the first measurement makes its aggregation
    few, many = await calls_of(stream(1)), await calls_of(stream(2000))
    # The garbage collector may call something of another test's.
    assert few > 0 and many < few + 20


async def test_streams_leave_nothing_behind(telemetry: StreamTelemetry) -> None:
    summaries: list[StreamSummary] = []

    def on_close(summary: StreamSummary) -> None:
        summaries.append(summary)
        telemetry.on_close(summary)

    for handler in (ending, refusing):
        await serve(EventSourceApp(handler, on_open=telemetry.on_open, on_close=on_close))
    assert len(summaries) == 2
    assert not telemetry._spans
