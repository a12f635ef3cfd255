"""Compressed streams of every adapter, and behind the compressing middleware of others: coded once.

Each event is decoded when it has arrived, so one that is held back shows, and so does a second
coding.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import anyio
import pytest

from sse_asgi import EventStream, ServerSentEvent
from sse_asgi.testing import connect
from tests.wire.decoding import CODINGS, decoder_of

from .test_bodies import django_app, litestar_app, quart_app
from .test_middleware import brotli, starlette_gzip

pytestmark = [pytest.mark.anyio, pytest.mark.needs("starlette")]

AppMaker = Callable[..., Any]

BLOCKS = [b"data: a\n\n", b"data: b\n\n", b"data: c\n\n"]


async def more() -> AsyncIterator[Any]:
    for text in ("b", "c"):
        await anyio.lowlevel.checkpoint()
        yield text


async def all_three() -> AsyncIterator[Any]:
    yield "a"
    async for text in more():
        yield text


def plain_app(make: Callable[[], Any], **options: Any) -> Any:
    return EventStream(all_three(), **options)


def starlette_app(make: Callable[[], Any], compression: Any) -> Any:
    from sse_asgi.adapters.starlette import EventSourceResponse

    class Compressed(EventSourceResponse):
        COMPRESSION = compression
        DEFAULT_SEPARATOR = "\n"

    return Compressed(all_three())


def fastapi_app(make: Callable[[], Any], **options: Any) -> Any:
    from fastapi import Depends, FastAPI

    from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse

    app = FastAPI()

    async def view(source: Any) -> Any:
        return source.respond(all_three(), **options)

    view.__annotations__["source"] = Annotated[EventSource, Depends(EventSource.of)]
    app.get("/", response_class=EventSourceResponse)(view)
    return app


ON_ASYNCIO = [
    pytest.param(quart_app, id="quart", marks=pytest.mark.needs("quart")),
    pytest.param(litestar_app, id="litestar", marks=pytest.mark.needs("litestar")),
    pytest.param(django_app, id="django", marks=pytest.mark.needs("django")),
]
APPS = [
    pytest.param(plain_app, id="plain"),
    pytest.param(starlette_app, id="starlette"),
    pytest.param(fastapi_app, id="fastapi", marks=pytest.mark.needs("fastapi")),
    *ON_ASYNCIO,
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio, the one event loop of some of these frameworks."""
    return "asyncio"


async def check(app: Any, accepted: str, coding: str | None, vary: bool = True) -> None:
    """Check that the events come in ``coding``, and nothing around it."""
    headers = {"accept-encoding": accepted}
    async with connect(app, "/?q=a", last_event_id="7", headers=headers, strict=False) as client:
        given = client.headers.get("content-encoding")
        assert given == coding or (coding is None and given == "identity")
        assert ("accept-encoding" in client.headers.get("vary", "").lower()) is vary
        assert [event.data async for event in client] == ["a", "b", "c"]
        chunks = client.chunks
    if coding is None:
        assert b"".join(chunks) == b"".join(BLOCKS)
    else:
        decoder = decoder_of(coding)
        assert [decoder.feed(chunk) for chunk in chunks if chunk][:3] == BLOCKS
        assert decoder.is_complete


@pytest.mark.parametrize("app_of", APPS)
@pytest.mark.parametrize("coding", CODINGS)
async def test_each_adapter_compresses_when_told_to(app_of: AppMaker, coding: str) -> None:
    await check(app_of(more, compression="auto"), coding, coding)


@pytest.mark.parametrize("app_of", APPS)
async def test_each_adapter_leaves_a_client_alone_that_does_not_ask(app_of: AppMaker) -> None:
    await check(app_of(more, compression="pages"), "identity", None)


@pytest.mark.parametrize("app_of", APPS)
async def test_no_adapter_compresses_unless_told_to(app_of: AppMaker) -> None:
    await check(app_of(more, compression=None), "gzip, deflate, br, zstd", None, vary=False)


def test_subclass_of_the_drop_in_is_checked_when_it_is_defined() -> None:
    from sse_asgi.adapters.starlette import EventSourceResponse

    with pytest.raises(ValueError, match="compression must be"):
        type("Wrong", (EventSourceResponse,), {"COMPRESSION": "gzip"})


@pytest.mark.parametrize("app_of", APPS)
@pytest.mark.parametrize(
    "middleware",
    [
        starlette_gzip,
        pytest.param(brotli, marks=pytest.mark.needs("brotli_asgi")),
    ],
)
@pytest.mark.parametrize("coding", CODINGS)
async def test_compressing_middleware_leaves_a_compressed_stream_alone(
    app_of: AppMaker, middleware: Callable[[Any], Any], coding: str
) -> None:
    # The client takes what the middleware makes, too, but not as gladly.
    accepted = ", ".join([coding, *(f"{name};q=0.5" for name in ("gzip", "br") if name != coding)])
    await check(middleware(app_of(more, compression="auto")), accepted, coding)


def litestar_with(config: Any, **handler: Any) -> Any:
    """Return a Litestar application that compresses by itself, with a compressed stream."""
    from litestar import Litestar, get

    from sse_asgi.adapters.litestar import EventSourceResponse

    @get("/", media_type="text/event-stream", **handler)
    async def view() -> EventSourceResponse:
        return EventSourceResponse(all_three(), compression="auto")

    view.fn.__annotations__["return"] = EventSourceResponse
    return Litestar([view], compression_config=config)


@pytest.mark.needs("litestar", "brotli")
@pytest.mark.parametrize("backend", ["gzip", "brotli"])
async def test_litestar_that_compresses_by_itself_is_left_to_it(backend: Any) -> None:
    from litestar.config.compression import CompressionConfig

    app = litestar_with(CompressionConfig(backend, minimum_size=1))
    await check(app, "gzip, br", "br" if backend == "brotli" else backend)


@pytest.mark.needs("litestar")
async def test_route_that_litestar_does_not_compress_is_compressed_here() -> None:
    from litestar.config.compression import CompressionConfig

    config = CompressionConfig("gzip", minimum_size=1, exclude_opt_key="bare")
    await check(litestar_with(config, bare=True), "gzip;q=0.5, zstd", "zstd")


@pytest.mark.needs("fastapi")
async def test_typed_event_of_fastapi_stays_isolated() -> None:
    from dataclasses import dataclass

    from sse_asgi.adapters.fastapi import EventTypes

    @dataclass
    class Key:
        value: str

    events = EventTypes(Key)
    for isolate in (True, False):
        named = events.named(ServerSentEvent(Key("x"), isolate=isolate))
        assert isinstance(named, ServerSentEvent)
        assert named.isolate is isolate
