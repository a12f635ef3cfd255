"""A stream that is done stays so in frameworks: the client that comes back is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sse_asgi import DONE_ID, done
from sse_asgi.testing import connect

pytestmark = pytest.mark.anyio


def content() -> Iterator[Any]:
    yield "only once"
    yield done()


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route

    from sse_asgi.adapters.starlette import EventSourceResponse

    return Starlette(routes=[Route("/", lambda request: EventSourceResponse(content()))])


def fastapi() -> Any:
    from fastapi import FastAPI

    from sse_asgi.adapters.fastapi import EventSourceResponse

    app = FastAPI()
    app.get("/", response_class=EventSourceResponse)(lambda: EventSourceResponse(content()))
    return app


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(starlette, marks=pytest.mark.needs("starlette")),
        pytest.param(fastapi, marks=pytest.mark.needs("fastapi")),
    ],
)
async def test_client_that_has_seen_the_last_event_is_stopped(make: Any) -> None:
    app = make()
    async with connect(app) as events:
        assert (await events.receive()).data == "only once"
        assert (await events.receive()).id == DONE_ID
    async with connect(app, last_event_id=DONE_ID) as again:
        assert again.status == 204
