"""Authorisation that ends, in every framework: by the options of its response."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from time import time
from typing import Any

import anyio
import pytest
from litestar import Litestar, Response, get

from sse_asgi import CloseReason, StreamSummary, revoke
from sse_asgi.testing import connect
from tests.harness import content_threads, until

from .test_shortage import django_app, quart_app

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.needs("starlette", "fastapi", "litestar", "quart", "django"),
]


async def quiet() -> AsyncIterator[str]:
    yield "hello"
    await anyio.sleep_forever()


def starlette_app(make: Callable[[], Any], **options: Any) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route

    from sse_asgi.adapters.starlette import EventResponse

    async def view(request: Any) -> Any:
        return EventResponse(make(), **options)

    return Starlette(routes=[Route("/", view)])


def fastapi_app(make: Callable[[], Any], **options: Any) -> Any:
    from fastapi import FastAPI

    from sse_asgi.adapters.fastapi import EventSourceResponse

    app = FastAPI()

    @app.get("/")
    async def view() -> Any:
        return EventSourceResponse(make(), **options)

    return app


def litestar_app(make: Callable[[], Any], **options: Any) -> Any:
    from sse_asgi.adapters.litestar import EventSourceResponse

    @get("/")
    async def view() -> Response[Any]:
        return EventSourceResponse(make(), **options)

    return Litestar([view])


APPS = [starlette_app, fastapi_app, litestar_app]
BODIES = [quart_app, django_app]
"""Frameworks that send the head by themselves, before the library is asked."""


@pytest.mark.parametrize("app_of", [*APPS, *BODIES])
async def test_response_with_a_key_can_be_revoked(app_of: Any) -> None:
    closed: list[StreamSummary] = []
    app = app_of(quiet, key="user:7", on_close=closed.append)
    async with connect(app, strict=False) as events:
        assert (await events.receive()).data == "hello"
        revoke("user:8")
        revoke("user:7")
        last = await events.receive()
        assert (last.event, last.json()) == ("revoked", {"reason": "revoked"})
    assert [summary.reason for summary in closed] == [CloseReason.REVOKED]


@pytest.mark.parametrize("app_of", [*APPS, *BODIES])
async def test_response_ends_with_its_token(app_of: Any) -> None:
    app = app_of(quiet, expires_at=time() + 0.2)
    async with connect(app, strict=False) as events:
        assert (await events.receive()).data == "hello"
        assert (await events.receive()).event == "expired"


@pytest.mark.parametrize("app_of", APPS)
async def test_response_of_an_expired_token_is_a_401(app_of: Any) -> None:
    async with connect(app_of(quiet, expires_at=time() - 1), strict=False) as answer:
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("app_of", BODIES)
async def test_body_of_an_expired_token_is_empty_and_its_content_closed(app_of: Any) -> None:
    closed = threading.Event()

    def content() -> Iterator[str]:
        try:
            while True:
                yield "never"
        finally:
            closed.set()

    async with connect(app_of(content, expires_at=time() - 1), strict=False) as answer:
        assert "never" not in await answer.text()
    await until(closed.is_set)
    assert not content_threads()
