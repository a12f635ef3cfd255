"""Streams behind the middleware of others: events arrive one by one, the content hears of the end.

What a middleware makes of the bytes is decoded piece by piece, so an event that is held back shows.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any

import anyio
import pytest

from sse_asgi import EventStream
from sse_asgi.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("starlette")]

ACCEPT = {"accept-encoding": "gzip, br"}


class Told:
    """Content that yields what it is told, when it is told, and notes when it is closed."""

    def __init__(self) -> None:
        self.tell, self.listen = anyio.create_memory_object_stream[str](9)
        self.is_closed = False

    async def __call__(self) -> AsyncIterator[str]:
        try:
            async with self.tell, self.listen:
                async for text in self.listen:
                    yield text
        finally:
            self.is_closed = True


def starlette(told: Told, wrap: Callable[[Any], Any]) -> Any:
    """Return a Starlette application with the drop-in, inside the middleware."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route

    from sse_asgi.adapters.starlette import EventSourceResponse

    async def endpoint(request: Request) -> EventSourceResponse:
        return EventSourceResponse(told(), ping=0)

    return wrap(Starlette(routes=[Route("/", endpoint)]))


def native(told: Told, wrap: Callable[[Any], Any]) -> Any:
    """Return an EventStream inside the middleware."""
    return wrap(EventStream(told()))


def base_http(app: Any) -> Any:
    from starlette.middleware.base import BaseHTTPMiddleware

    async def dispatch(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = "yes"
        return response

    return BaseHTTPMiddleware(app, dispatch)


def three_base_http(app: Any) -> Any:
    return base_http(base_http(base_http(app)))


def starlette_gzip(app: Any) -> Any:
    from starlette.middleware.gzip import GZipMiddleware

    return GZipMiddleware(app, minimum_size=1)


def cors(app: Any) -> Any:
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(app, allow_origins=["*"])


def session(app: Any) -> Any:
    from starlette.middleware.sessions import SessionMiddleware

    return SessionMiddleware(app, secret_key="secret")


def correlation_id(app: Any) -> Any:
    from asgi_correlation_id import CorrelationIdMiddleware

    return CorrelationIdMiddleware(app)


def brotli(app: Any) -> Any:
    from brotli_asgi import BrotliMiddleware

    return BrotliMiddleware(app, minimum_size=1)


def decompressor(coding: str | None) -> Callable[[bytes], bytes]:
    """Return a function that decodes the body piece by piece."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    if coding == "br":
        decode: Callable[[bytes], bytes] = import_module("brotli").Decompressor().process
        return decode
    assert coding in (None, "identity")
    return bytes


MIDDLEWARE = [
    base_http,
    three_base_http,
    starlette_gzip,
    cors,
    pytest.param(session, marks=pytest.mark.needs("itsdangerous")),
    pytest.param(correlation_id, marks=pytest.mark.needs("asgi_correlation_id")),
    pytest.param(brotli, marks=pytest.mark.needs("brotli_asgi")),
]


async def check_one_by_one(app: Any, told: Told) -> None:
    """Check that each event arrives before the next is made, and that leaving ends the content."""
    told.tell.send_nowait("0")
    async with connect(app, headers={**ACCEPT, "origin": "http://other"}, strict=False) as client:
        decode = decompressor(client.headers.get("content-encoding"))
        received, pieces = b"", 0
        for number in range(3):
            with anyio.fail_after(3):
                while f"data: {number}".encode() not in received:
                    await anyio.wait_all_tasks_blocked()
                    received += b"".join(map(decode, client.chunks[pieces:]))
                    pieces = len(client.chunks)
            assert f"data: {number + 1}".encode() not in received
            told.tell.send_nowait(str(number + 1))
        assert not told.is_closed
    assert told.is_closed


@pytest.mark.parametrize("app_of", [starlette, native])
@pytest.mark.parametrize("middleware", MIDDLEWARE)
async def test_events_pass_one_by_one_and_a_disconnect_ends_the_content(
    app_of: Any, middleware: Any
) -> None:
    told = Told()
    await check_one_by_one(app_of(told, middleware), told)


@pytest.mark.needs("litestar")
@pytest.mark.parametrize(
    "backend", ["gzip", pytest.param("brotli", marks=pytest.mark.needs("brotli"))]
)
async def test_events_pass_through_litestars_compression(backend: Any) -> None:
    from litestar import Litestar, get
    from litestar.config.compression import CompressionConfig

    from sse_asgi.adapters.litestar import EventSourceResponse

    told = Told()

    @get("/", media_type="text/event-stream")
    async def view() -> Any:
        return EventSourceResponse(told())

    view.fn.__annotations__["return"] = EventSourceResponse
    app = Litestar([view], compression_config=CompressionConfig(backend, minimum_size=1))
    await check_one_by_one(app, told)
