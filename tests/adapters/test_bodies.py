"""Streams that a framework sends itself: Quart, Django, Falcon; and Litestar's response."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from typing import Any

import anyio
import pytest

from sse_asgi import CloseReason, Refusal, StreamSummary, drain
from sse_asgi.adapters.body import EventBody
from sse_asgi.testing import connect
from tests.django_settings import configure_django

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio, the one event loop of these frameworks."""
    return "asyncio"


class Endless:
    """Content that yields one event and waits, and notes when it is closed."""

    def __init__(self) -> None:
        self.is_closed = False
        self.reason: CloseReason | None = None
        self.noted = asyncio.Event()

    def note(self, summary: StreamSummary) -> None:
        """Note why the stream has ended: its ``on_close``."""
        self.reason = summary.reason
        self.noted.set()

    async def __call__(self) -> AsyncIterator[str]:
        try:
            yield "first"
            await anyio.sleep_forever()
        finally:
            self.is_closed = True


async def test_body_comes_piece_by_piece_and_content_waits_for_it() -> None:
    made: list[int] = []

    async def content() -> AsyncIterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    body = EventBody(content, SCOPE)
    assert made == []
    assert await anext(body) == b"data: 0\n\n"
    await anyio.wait_all_tasks_blocked()
    assert made == [0]
    assert [piece async for piece in body] == [b"data: 1\n\n", b"data: 2\n\n"]


async def test_comment_comes_at_once_when_the_content_waits() -> None:
    async def waiting() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    body = EventBody(waiting(), SCOPE)
    assert await anext(body) == b":\n\n"
    await body.aclose()


@pytest.mark.parametrize("way", ["aclose", "leave", "cancel"])
async def test_stopping_the_iteration_ends_the_content(way: str) -> None:
    content = Endless()
    body = EventBody(content(), SCOPE, on_close=content.note)
    await anext(body)
    with anyio.fail_after(2):
        if way == "aclose":
            await body.aclose()
        elif way == "leave":
            await anyio.to_thread.run_sync(body.leave)
            await content.noted.wait()
        else:
            iteration = asyncio.ensure_future(anext(body))
            await anyio.wait_all_tasks_blocked()
            iteration.cancel()
            await asyncio.wait([iteration])
            assert iteration.cancelled()
    assert content.is_closed
    assert content.reason is CloseReason.CLIENT_GONE


async def test_framework_that_sends_no_further_is_a_slow_client() -> None:
    content = Endless()
    body = EventBody(["a"], SCOPE, send_timeout=0.02, on_close=content.note)
    await anext(body)
    with anyio.fail_after(2):
        await content.noted.wait()
    assert content.reason is CloseReason.SLOW_CLIENT
    assert [piece async for piece in body] == []


async def test_error_of_the_content_ends_the_body_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def content() -> AsyncIterator[str]:
        yield "a"
        raise LookupError("lost")

    with caplog.at_level(logging.ERROR, "sse_asgi"):
        assert [piece async for piece in EventBody(content(), SCOPE)] == [b"data: a\n\n"]
    assert "lost" in caplog.text


async def test_refusal_ends_the_body_without_a_text() -> None:
    async def content() -> AsyncIterator[str]:
        raise Refusal(409, "no")
        yield

    assert [piece async for piece in EventBody(content(), SCOPE)] == []


async def test_drain_ends_the_body() -> None:
    content = Endless()
    body = EventBody(content(), SCOPE)
    await anext(body)
    drain()
    assert b"retry: " in b"".join([piece async for piece in body])
    assert content.is_closed


def quart_app(make: Callable[[], Any], **options: Any) -> Any:
    """Return a Quart application that streams."""
    from quart import Quart, current_app, request

    from sse_asgi.adapters.quart import EventSourceResponse

    app = Quart(__name__)

    @app.get("/")
    async def view() -> Any:
        async def content() -> AsyncIterator[Any]:
            yield f"{current_app.name and request.args['q']}"
            async for item in make():
                yield item

        response = EventSourceResponse(content(), **options)
        response.set_cookie("c", "1")
        assert response.connection.last_event_id == "7"
        return response

    return app


def litestar_app(make: Callable[[], Any], **options: Any) -> Any:
    """Return a Litestar application that streams."""
    from litestar import Litestar, Request, get

    from sse_asgi.adapters.litestar import EventSourceResponse

    @get("/", media_type="text/event-stream")
    async def view(request: Request[Any, Any, Any]) -> EventSourceResponse:
        async def content() -> AsyncIterator[Any]:
            yield request.query_params["q"]
            async for item in make():
                yield item

        response = EventSourceResponse(content(), **options)
        response.set_cookie("c", "1")
        return response

    view.fn.__annotations__.update({"request": Request, "return": EventSourceResponse})
    return Litestar([view])


def django_app(make: Callable[[], Any], **options: Any) -> Any:
    """Return Django's application with a view that streams."""
    configure_django()
    from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
    from django.urls import path  # type: ignore[import-untyped]

    from sse_asgi.adapters.django import EventSourceResponse

    async def view(request: Any) -> Any:
        async def content() -> AsyncIterator[Any]:
            yield request.GET["q"]
            async for item in make():
                yield item

        response = EventSourceResponse(request, content(), **options)
        response.set_cookie("c", "1")
        assert response.connection.last_event_id == "7"
        return response

    class Handler(ASGIHandler):  # type: ignore[misc]
        def resolve_request(self, request: Any) -> Any:
            request.resolver_match = path("", view).resolve("")
            return request.resolver_match

    return Handler()


APPS = [
    pytest.param(quart_app, marks=pytest.mark.needs("quart")),
    pytest.param(litestar_app, marks=pytest.mark.needs("litestar")),
    pytest.param(django_app, marks=pytest.mark.needs("django")),
]


@pytest.mark.parametrize("app_of", APPS)
async def test_view_streams_with_the_frameworks_own_request_and_headers(app_of: Any) -> None:
    async def more() -> AsyncIterator[Any]:
        yield {"data": "x", "id": "1"}

    app = app_of(more, status=201, headers={"x-own": "1"})
    headers = {"accept-encoding": "gzip"}
    async with connect(app, "/?q=a", last_event_id="7", headers=headers, strict=False) as client:
        assert client.status == 201
        assert client.headers["x-own"] == "1"
        assert client.headers["content-type"].startswith("text/event-stream")
        assert client.headers["cache-control"] == "no-store, no-transform"
        assert "c=1" in client.headers["set-cookie"]
        assert await client.body() == b"data: a\n\nid: 1\ndata: x\n\n"


@pytest.mark.parametrize("app_of", APPS)
async def test_disconnect_closes_the_content_of_a_view(app_of: Any) -> None:
    content = Endless()
    app = app_of(content)
    async with connect(app, "/?q=a", last_event_id="7", strict=False) as client:
        assert [(await client.receive()).data for _ in range(2)] == ["a", "first"]
        assert not content.is_closed
    assert content.is_closed


@pytest.mark.parametrize("app_of", APPS)
async def test_json_is_the_frameworks_own(app_of: Any) -> None:
    async def more() -> AsyncIterator[Any]:
        yield (
            {"data": {"day": "2026-01-02"}}
            if app_of is quart_app
            else {"data": {"day": date(2026, 1, 2)}}
        )

    async with connect(app_of(more), "/?q=a", last_event_id="7", strict=False) as client:
        assert b'{"day":"2026-01-02"}' in await client.body()


@pytest.mark.needs("django")
def test_django_needs_a_request_that_came_through_asgi() -> None:
    configure_django()
    from django.http import HttpRequest  # type: ignore[import-untyped]

    from sse_asgi.adapters.django import EventSourceResponse

    with pytest.raises(TypeError, match="ASGI"):
        EventSourceResponse(HttpRequest(), ["a"])


@pytest.mark.needs("django")
async def test_django_closes_the_connections_of_the_thread_of_synchronous_content(
    monkeypatch: Any,
) -> None:
    threads: list[threading.Thread] = []

    def close_all(handler: object) -> None:
        threads.append(threading.current_thread())

    class View:
        def __iter__(self) -> Iterator[str]:
            threads.append(threading.current_thread())
            yield "a"

    configure_django()
    from django.core.handlers.asgi import ASGIRequest
    from django.db.utils import ConnectionHandler  # type: ignore[import-untyped]

    from sse_asgi.adapters.django import EventSourceResponse

    monkeypatch.setattr(ConnectionHandler, "close_all", close_all)
    response = EventSourceResponse(ASGIRequest(SCOPE, io.BytesIO()), View())
    assert [piece async for piece in response][-1].endswith(b"data: a\n\n")
    ran, closed = threads
    assert ran is closed
    assert ran is not threading.main_thread()


@pytest.mark.needs("quart")
async def test_quarts_time_limit_for_responses_does_not_end_a_stream() -> None:
    async def more() -> AsyncIterator[Any]:
        await anyio.sleep(0.05)
        yield "late"

    app = quart_app(more)
    app.config["RESPONSE_TIMEOUT"] = 0.01
    async with connect(app, "/?q=a", last_event_id="7", strict=False) as client:
        assert (await client.body()).endswith(b"data: late\n\n")


@pytest.mark.needs("quart")
def test_quart_needs_a_request() -> None:
    from sse_asgi.adapters.quart import EventSourceResponse

    with pytest.raises(RuntimeError, match="view"):
        EventSourceResponse(["a"])


async def test_body_that_the_framework_drops_closes_its_content() -> None:
    for drop in ("aclose", "leave", "nothing"):
        closed = asyncio.Event()

        async def content(closed: asyncio.Event = closed) -> AsyncIterator[str]:
            try:
                yield "a"
            finally:
                closed.set()

        body = EventBody(content(), SCOPE)
        if drop == "aclose":
            await body.aclose()
            assert [chunk async for chunk in body] == []
        elif drop == "leave":
            body.leave()
        del body
        with anyio.fail_after(1):
            await closed.wait()
