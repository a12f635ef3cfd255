"""A Refusal that a view raises, or returns, becomes its status, in every framework."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from litestar import Litestar, get
from litestar.types import ASGIApp
from quart import Quart
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, EventStream, Refusal, busy
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
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert await answer.text() == "already running"


@pytest.mark.parametrize("make", APPS)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_busy_of_a_view_is_a_stream_with_a_reconnection_time(make: Any) -> None:
    async with connect(make(busy(2500)), strict=False) as answer:
        assert answer.status == 200
        await answer.closed()
        assert answer.retry == 2500


def starlette_returning(refusal: Refusal) -> Any:
    async def view(request: Any) -> Any:
        return refusal

    return Starlette(routes=[Route("/", view)], exception_handlers={Refusal: star.refuse})


def fastapi_returning(refusal: Refusal) -> Any:
    app = FastAPI()
    app.add_exception_handler(Refusal, fast.refuse)

    @app.get("/", response_model=None)
    async def view() -> Any:
        return refusal

    return app


def fastapi_annotated(refusal: Refusal) -> Any:
    app = FastAPI()
    app.add_exception_handler(Refusal, fast.refuse)

    async def view() -> Any:
        return refusal

    view.__annotations__["return"] = fast.EventSourceResponse
    app.get("/")(view)
    return app


def litestar_returning(refusal: Refusal) -> Any:
    @get("/")
    async def view() -> ASGIApp:
        return refusal

    return Litestar([view], exception_handlers={Refusal: lite.refuse})


def quart_returning(refusal: Refusal) -> Any:
    app = Quart("refusals")

    @app.get("/")
    async def view() -> Any:
        return quartz.refuse(refusal)

    return app


def django_app(answer: Any, *, middleware: bool = True) -> Any:
    configure_django()
    from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
    from django.test import override_settings  # type: ignore[import-untyped]
    from django.urls import path  # type: ignore[import-untyped]

    async def view(request: Any) -> Any:
        return answer()

    class Handler(ASGIHandler):  # type: ignore[misc]
        def resolve_request(self, request: Any) -> Any:
            request.resolver_match = path("", view).resolve("")
            return request.resolver_match

    names = ["django.middleware.gzip.GZipMiddleware"]
    names += ["sse_asgi.adapters.django.RefusalMiddleware"] * middleware
    with override_settings(MIDDLEWARE=names):
        return Handler()


def django_raising(refusal: Refusal) -> Any:
    def answer() -> Any:
        raise refusal

    return django_app(answer)


def django_returning(refusal: Refusal) -> Any:
    return django_app(lambda: refusal)


def handler_returning(refusal: Refusal) -> Any:
    def handler(connection: Connection) -> Any:
        return refusal

    return EventSourceApp(handler)


def content_returning(refusal: Refusal) -> Any:
    async def content() -> Any:
        return refusal

    return EventStream(content)


RETURNING = [
    starlette_returning,
    litestar_returning,
    quart_returning,
    django_raising,
    django_returning,
    handler_returning,
    content_returning,
]


@pytest.mark.parametrize("make", RETURNING)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_refusal_that_a_view_returns_is_its_status(make: Any) -> None:
    refusal = Refusal(409, "already running", {"retry-after": "5"})
    async with connect(make(refusal), strict=False) as answer:
        assert answer.status == 409
        assert answer.headers["retry-after"] == "5"
        assert await answer.text() == "already running"


@pytest.mark.parametrize("make", [*APPS, *RETURNING])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_refusal_of_a_view_has_every_value_of_its_fields(make: Any) -> None:
    challenges = [("www-authenticate", "Basic"), ("www-authenticate", "Bearer")]
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    async with connect(make(Refusal(401, "", challenges + cookies)), strict=False) as answer:
        assert answer.status == 401
        assert ", ".join(answer.headers.get_all("www-authenticate")) == "Basic, Bearer"
        assert sorted(answer.headers.get_all("set-cookie")) == ["a=1", "b=2"]


@pytest.mark.parametrize("make", RETURNING)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_busy_that_a_view_returns_is_a_stream_with_a_reconnection_time(make: Any) -> None:
    async with connect(make(busy(2500)), strict=False) as answer:
        assert answer.status == 200
        await answer.closed()
        assert answer.retry == 2500


def quart_unaware(refusal: Refusal) -> Any:
    app = Quart("refusals")

    @app.get("/")
    async def view() -> Any:
        return refusal

    return app


def litestar_unaware(refusal: Refusal) -> Any:
    @get("/")
    async def view() -> Any:
        return refusal

    return Litestar([view], exception_handlers={Refusal: lite.refuse})


def django_unaware(refusal: Refusal) -> Any:
    return django_app(lambda: refusal, middleware=False)


UNAWARE = [quart_unaware, litestar_unaware, django_unaware, fastapi_returning, fastapi_annotated]


@pytest.mark.parametrize("make", UNAWARE)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_returned_refusal_that_the_framework_cannot_take_is_an_error(make: Any) -> None:
    async with connect(make(busy()), strict=False, raise_app_exceptions=False) as answer:
        assert answer.status == 500


def test_refusal_is_never_encoded_as_json() -> None:
    with pytest.raises(ValueError, match="raise a Refusal instead of returning it"):
        jsonable_encoder(busy())


def test_synchronous_django_has_the_middleware_too() -> None:
    configure_django()
    from sse_asgi.adapters.django import RefusalMiddleware

    assert RefusalMiddleware(lambda request: Refusal(409))(None).status_code == 409
    assert RefusalMiddleware(lambda request: "another")(None) == "another"


def test_django_s_response_has_the_status_and_the_headers() -> None:
    configure_django()
    from sse_asgi.adapters.django import refuse

    response = refuse(Refusal(409, "no", {"retry-after": "5"}))
    assert (response.status_code, response["retry-after"], response.content) == (409, "5", b"no")
