"""The same program on sse-starlette and on the drop-in: one import is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.background import BackgroundTask

from sse_asgi.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sse_starlette", "starlette", "fastapi")]

THEIRS = "sse_starlette.sse"
OURS = "sse_asgi.adapters.starlette"

ADDED = ("connection", "cache-control", "incremental")
"""Headers in which the two differ: ours asks proxies for incremental delivery, too."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run on asyncio, the one event loop on which sse-starlette works whole."""
    return "asyncio"


async def outcome(make: Callable[[ModuleType], Any], name: str, **options: Any) -> Any:
    """Return what a client sees of the response that ``make`` makes with a module's names."""
    module = import_module(name)
    if not hasattr(module, "JSONServerSentEvent"):
        module = import_module(name.partition(".")[0])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await make(module)(scope, receive, send)

    async with connect(app, raise_app_exceptions=False, **options) as client:
        fields = {k: v for k, v in client.headers.items() if k not in ADDED}
        try:
            body: object = await client.body()
        except Exception:
            body = client.raw
        return client.status, fields, body, type(client.error)


async def items(*content: Any) -> AsyncIterator[Any]:
    """Yield the items."""
    for item in content:
        yield item


async def failing() -> AsyncIterator[str]:
    """Yield one item and fail in a group, as a task group in the content does."""
    yield "a"
    raise ExceptionGroup("group", [LookupError("one")])


PROGRAMS: dict[str, Callable[[ModuleType], Any]] = {
    "text": lambda sse: sse.EventSourceResponse(items("a", "b\nc", "")),
    "dicts": lambda sse: sse.EventSourceResponse(
        items({"data": {"x": [1]}}, {"data": "", "id": "5"}, {"event": "error", "retry": 5}, {})
    ),
    "line ends": lambda sse: sse.EventSourceResponse(
        items({"event": "a\nb", "id": "c\rd", "data": "e\r\nf\rg\nh\u2028i", "comment": "j\nk"})
    ),
    "events": lambda sse: sse.EventSourceResponse(
        items(sse.ServerSentEvent("x", event="e", id="1", sep="\r"), sse.JSONServerSentEvent([1]))
    ),
    "others": lambda sse: sse.EventSourceResponse(items(1, None, b"raw", memoryview(b"view"))),
    "sync": lambda sse: sse.EventSourceResponse(iter([1, "a"])),
    "list": lambda sse: sse.EventSourceResponse(["a", {"data": "b"}]),
    "separator": lambda sse: sse.EventSourceResponse(items("a\nb", {"data": "c"}), sep="\n"),
    "head": lambda sse: sse.EventSourceResponse(
        items("a"), 201, {"Content-Type": "text/plain", "X-Own": "1"}
    ),
    "media type": lambda sse: sse.EventSourceResponse(items("a"), media_type="text/x"),
    "background": lambda sse: sse.EventSourceResponse(items(), background=BackgroundTask(dict)),
    "failing": lambda sse: sse.EventSourceResponse(failing()),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_client_sees_the_same(name: str, method: str) -> None:
    theirs = await outcome(PROGRAMS[name], THEIRS, method=method, strict=False)
    ours = await outcome(PROGRAMS[name], OURS, method=method)
    assert ours == theirs


@pytest.mark.parametrize("name", [THEIRS, OURS])
async def test_sender_fills_the_receive_stream_as_in_the_mcp_sdk(name: str) -> None:
    send_stream, receive_stream = anyio.create_memory_object_stream[Any](0)

    async def sender() -> None:
        async with send_stream:
            await send_stream.send({"event": "message", "data": "{}", "id": "1"})
            await send_stream.send({"data": "", "id": "2"})

    def make(sse: ModuleType) -> Any:
        return sse.EventSourceResponse(receive_stream, data_sender_callable=sender)

    with receive_stream:
        body = (await outcome(make, name, strict=False))[2]
    assert body == b"id: 1\r\nevent: message\r\ndata: {}\r\n\r\nid: 2\r\ndata: \r\n\r\n"


@pytest.mark.parametrize("name", [THEIRS, OURS])
async def test_response_is_a_fastapi_return_annotation(name: str) -> None:
    response_class = import_module(name).EventSourceResponse
    app = FastAPI()

    async def endpoint() -> Any:
        return response_class(items("a"))

    endpoint.__annotations__["return"] = response_class
    app.get("/")(endpoint)
    async with connect(app, strict=False) as client:
        assert await client.body() == b"data: a\r\n\r\n"
