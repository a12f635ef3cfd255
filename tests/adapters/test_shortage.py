"""A shortage of threads is a 503 with ``Retry-After`` where the framework sends the head itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, StreamSummary
from sse_asgi.adapters.body import EventBody
from sse_asgi.asgi.loop import LoopState
from sse_asgi.testing import connect
from tests.django_settings import configure_django
from tests.harness import content_threads

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio, the one event loop of these frameworks."""
    return "asyncio"


@pytest.fixture
async def no_threads() -> AsyncIterator[None]:
    """Let the event loop have no thread for synchronous content."""
    workers = LoopState.current().workers
    was, workers.limit = workers.limit, 0
    yield
    workers.limit = was


def endless() -> Iterator[str]:
    yield from map(str, count())


def of_connection(connection: object) -> Iterator[str]:
    yield from endless()


class Cursor:
    """An iterable that has to be closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def __iter__(self) -> Iterator[str]:
        return endless()

    def close(self) -> None:
        self.is_closed = True


def quart_app(make: Callable[[], Any], **options: Any) -> Any:
    from quart import Quart

    from sse_asgi.adapters.quart import EventSourceResponse

    app = Quart(__name__)

    @app.get("/")
    async def view() -> Any:
        return EventSourceResponse(make(), **options)

    return app


def django_app(make: Callable[[], Any], **options: Any) -> Any:
    configure_django()
    from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
    from django.urls import path  # type: ignore[import-untyped]

    from sse_asgi.adapters.django import EventSourceResponse

    async def view(request: Any) -> Any:
        return EventSourceResponse(request, make(), **options)

    class Handler(ASGIHandler):  # type: ignore[misc]
        def resolve_request(self, request: Any) -> Any:
            request.resolver_match = path("", view).resolve("")
            return request.resolver_match

    return Handler()


APPS = [
    pytest.param(quart_app, marks=pytest.mark.needs("quart")),
    pytest.param(django_app, marks=pytest.mark.needs("django")),
]
CONTENT: dict[str, Callable[[], Any]] = {
    "a generator": endless,
    "a generator function": lambda: endless,
    "a generator function of the connection": lambda: of_connection,
    "a cursor": Cursor,
}


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("app_of", APPS)
async def test_client_for_which_there_is_no_thread_gets_a_503(
    app_of: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[StreamSummary] = []
    app = app_of(CONTENT[kind], on_close=closed.append, headers={"x-own": "1"})
    with caplog.at_level(logging.WARNING, "sse_asgi"):
        async with connect(app, strict=False) as answer:
            assert answer.status == 503
            assert 1 <= int(answer.headers["retry-after"]) <= 5
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert await answer.text() == "No thread is free for this stream"
    assert [summary.reason for summary in closed] == [CloseReason.REFUSED]
    (record,) = (record for record in caplog.records if record.name == "sse_asgi")
    assert "no thread for synchronous content" in record.getMessage()


@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("app_of", APPS)
async def test_synchronous_content_streams_and_leaves_no_thread(app_of: Any, kind: str) -> None:
    async with connect(app_of(CONTENT[kind]), strict=False) as events:
        assert events.status == 200
        assert [(await events.receive()).data for _ in range(3)] == ["0", "1", "2"]
    assert not content_threads()


@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("app_of", APPS)
async def test_head_request_starts_no_thread_that_stays(app_of: Any, kind: str) -> None:
    async with connect(app_of(CONTENT[kind]), method="HEAD", strict=False) as answer:
        assert answer.status == 200
    await anyio.wait_all_tasks_blocked()
    assert not content_threads()


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("drop", ["aclose", "leave", "iterate"])
async def test_refused_body_closes_its_content_however_it_is_dropped(drop: str) -> None:
    cursor = Cursor()
    body = EventBody(cursor, SCOPE)
    body.begin()
    assert body.status == 503
    if drop == "aclose":
        await body.aclose()
    elif drop == "leave":
        body.leave()
        await anyio.wait_all_tasks_blocked()
    else:
        assert [piece async for piece in body] == [b"No thread is free for this stream"]
    assert cursor.is_closed


@pytest.mark.parametrize("drop", ["aclose", "leave", "nothing"])
async def test_begun_body_that_is_dropped_closes_its_content(drop: str) -> None:
    cursor, before = Cursor(), {*threading.enumerate()}
    body = EventBody(cursor, SCOPE)
    body.begin()
    (thread,) = {*threading.enumerate()} - before
    if drop == "aclose":
        await body.aclose()
    elif drop == "leave":
        body.leave()
    del body
    await anyio.to_thread.run_sync(thread.join, 5)
    assert not thread.is_alive()
    assert cursor.is_closed


@pytest.mark.usefixtures("no_threads")
async def test_content_that_needs_no_thread_is_served_without_one() -> None:
    async def content() -> AsyncIterator[str]:
        yield "a"

    for given in (content, content(), ["a"]):
        body = EventBody(given, SCOPE)
        body.begin()
        assert body.status == 200
        assert [piece async for piece in body][-1].endswith(b"data: a\n\n")
