"""A Refusal that a view raises becomes its status, in every framework."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from quart import Quart
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Refusal, busy
from sse_asgi.adapters import fastapi as fast
from sse_asgi.adapters import litestar as lite
from sse_asgi.adapters import quart as quartz
from sse_asgi.adapters import starlette as star
from sse_asgi.testing import connect

from ..django_settings import configure_django


def starlette_app(refusal: Refusal) -> Any:
    async def view(request: Any) -> Any:
        raise refusal

    return Starlette(routes=[Route("/", view)], exception_handlers={Refusal: star.refuse})


def fastapi_app(refusal: Refusal) -> Any:
    app = FastAPI()
    app.add_exception_handler(Refusal, fast.refuse)

    @app.get("/")
    async def view() -> Any:
        raise refusal

    return app


def litestar_app(refusal: Refusal) -> Any:
    @get("/")
    async def view() -> lite.EventSourceResponse:
        raise refusal

    return Litestar([view], exception_handlers={Refusal: lite.refuse})


def quart_app(refusal: Refusal) -> Any:
    app = Quart("refusals")
    app.register_error_handler(Refusal, quartz.refuse)

    @app.get("/")
    async def view() -> Any:
        raise refusal

    return app


APPS = [starlette_app, fastapi_app, litestar_app, quart_app]


@pytest.mark.parametrize("make", APPS)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_refusal_of_a_view_is_its_status(make: Any) -> None:
    refusal = Refusal(409, "already running", {"retry-after": "5"})
    async with connect(make(refusal), strict=False) as answer:
        assert answer.status == 409
        assert answer.headers["retry-after"] == "5"
        assert await answer.text() == "already running"


@pytest.mark.parametrize("make", APPS)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_busy_of_a_view_is_a_stream_with_a_reconnection_time(make: Any) -> None:
    async with connect(make(busy(2500)), strict=False) as answer:
        assert answer.status == 200
        await answer.closed()
        assert answer.retry == 2500


def test_django_s_response_has_the_status_and_the_headers() -> None:
    configure_django()
    from sse_asgi.adapters.django import refuse

    response = refuse(Refusal(409, "no", {"retry-after": "5"}))
    assert (response.status_code, response["retry-after"], response.content) == (409, "5", b"no")
