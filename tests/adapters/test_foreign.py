"""Event objects of other packages are sent by their fields, never as the text of an object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import fastapi.sse
import httpx_sse
import litestar.response
import pytest
import sse_starlette
from litestar import Litestar, get

from sse_asgi.adapters import fastapi as fast
from sse_asgi.adapters import litestar as lite
from sse_asgi.adapters import starlette as dropin
from sse_asgi.testing import connect

EVENTS: dict[str, tuple[Callable[[], Any], str]] = {
    "sse-starlette": (lambda: sse_starlette.ServerSentEvent("hello", event="x", id="7"), "hello"),
    "sse-starlette JSON": (
        lambda: sse_starlette.JSONServerSentEvent({"n": 1}, event="x", id="7"),
        '{"n":1}',
    ),
    "FastAPI": (
        lambda: fastapi.sse.ServerSentEvent(data="hello", event="x", id="7"),
        '"hello"',
    ),
    "FastAPI raw": (
        lambda: fastapi.sse.ServerSentEvent(raw_data="hello", event="x", id="7"),
        "hello",
    ),
    "Litestar": (
        lambda: litestar.response.ServerSentEventMessage(data="hello", event="x", id="7"),
        "hello",
    ),
    "httpx-sse": (lambda: httpx_sse.ServerSentEvent(data="hello", event="x", id="7"), "hello"),
}


def litestar_app(content: Callable[[], AsyncIterator[Any]]) -> Any:
    @get("/")
    async def events() -> lite.EventSourceResponse:
        return lite.EventSourceResponse(content)

    return Litestar([events])


RESPONSES: dict[str, Callable[[Callable[[], AsyncIterator[Any]]], Any]] = {
    "drop-in": lambda content: dropin.EventSourceResponse(content()),
    "native Starlette": dropin.EventResponse,
    "FastAPI": fast.EventSourceResponse,
    "Litestar": litestar_app,
}


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.anyio
async def test_event_of_another_package_is_sent_by_its_fields(response: str, kind: str) -> None:
    make, data = EVENTS[kind]

    async def content() -> AsyncIterator[Any]:
        yield make()

    async with connect(RESPONSES[response](content)) as events:
        event = await events.receive()
    assert (event.event, event.id, event.data) == ("x", "7", data)
