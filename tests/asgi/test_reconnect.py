"""Later, and never again: what a client is told that is not to come back at once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sse_asgi import DONE_ID, Connection, EventSourceApp, EventStream, busy, done
from sse_asgi.testing import connect
from tests.harness import serve

pytestmark = pytest.mark.anyio


async def test_busy_is_a_stream_that_holds_a_reconnection_time_and_nothing_else() -> None:
    async def handler(connection: Connection) -> AsyncIterator[str]:
        raise busy(retry=(2000, 2100))
        yield "never"

    peer = await serve(EventSourceApp(handler))
    assert peer.status == 200
    assert peer.headers[b"content-type"] == b"text/event-stream"
    assert peer.headers[b"cache-control"] == b"no-store, no-transform"
    assert peer.headers[b"incremental"] == b"?1"
    matched = re.fullmatch(rb"retry: (\d+)\n\n", peer.body)
    assert matched is not None
    assert 2000 <= int(matched[1]) <= 2100
    assert peer.ended


async def test_busy_times_are_drawn_and_one_time_is_that_time() -> None:
    assert busy(retry=750).body == b"retry: 750\n\n"
    assert len({busy().body for _ in range(20)}) > 1


@pytest.mark.parametrize("retry", [0, -1, (0, 5), (5, 2), (1, 10**30)])
async def test_impossible_times_are_refused(retry: Any) -> None:
    with pytest.raises(ValueError, match="retry"):
        busy(retry=retry)


@pytest.mark.parametrize("retry", ["1000", None, True, (1, 2.5)])
async def test_what_is_no_time_is_refused(retry: Any) -> None:
    with pytest.raises(TypeError, match="retry") as raised:
        busy(retry=retry)
    assert str(raised.value).endswith(f"(milliseconds), not {retry!r}")


def finite(connection: Connection) -> list[Any]:
    return ["a", done({"n": 1})]


def called(connection: Connection) -> Iterator[Any]:
    raise AssertionError("the handler was called")
    yield "never"


async def test_done_is_an_event_with_the_mark_that_ends_a_stream() -> None:
    async with connect(EventSourceApp(finite)) as events:
        assert (await events.receive()).data == "a"
        event = await events.receive()
    assert (event.event, event.json(), event.id) == ("done", {"n": 1}, DONE_ID)
    assert done(event="bye").event == "bye"
    assert done().data == ""
    with pytest.raises(ValueError, match="event"):
        done(event="error")


@pytest.mark.parametrize("make", [EventSourceApp, EventStream])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "request_fields",
    [
        {"headers": [(b"last-event-id", DONE_ID.encode())]},
        {"headers": [("Last-Event-ID", DONE_ID)]},
        {"headers": [(b"last-event-id", b"")], "query_string": b"last_event_id=sse-asgi:done"},
        {"query_string": b"a=b&last_event_id=" + DONE_ID.encode()},
        {"query_string": "last_event_id=" + DONE_ID},
        {"query_string": b"lastEventId=" + DONE_ID.encode()},
        {"query_string": b"last_event_id=sse-asgi%3Adone"},
    ],
)
async def test_client_that_has_seen_the_mark_is_stopped_and_the_content_never_asked_for(
    make: Any, method: str, request_fields: Any
) -> None:
    peer = await serve(make(called), method=method, **request_fields)
    assert peer.status == 204
    assert peer.body == b""


@pytest.mark.parametrize(
    "request_fields",
    [
        {},
        {"headers": [(b"last-event-id", b"7")]},
        # The header is what the client saw last; the query is where its page began.
        {
            "headers": [(b"last-event-id", b"7")],
            "query_string": b"last_event_id=" + DONE_ID.encode(),
        },
        {"query_string": b"other=" + DONE_ID.encode()},
        {"query_string": "other=" + DONE_ID},
        {"query_string": b"last_event_id=done"},
    ],
)
async def test_any_other_client_is_served(request_fields: Any) -> None:
    peer = await serve(EventSourceApp(lambda connection: ["a"]), **request_fields)
    assert peer.body == b"data: a\n\n"


async def test_client_that_is_stopped_needs_no_room() -> None:
    app = EventSourceApp(called, max_connections=1)
    limits: Any = app._limits
    limits._open = 1
    peer = await serve(app, headers=[(b"last-event-id", DONE_ID.encode())])
    assert peer.status == 204
