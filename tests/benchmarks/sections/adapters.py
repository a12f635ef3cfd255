"""adapters: what a response of an adapter adds to its framework, with one app for everybody.

The limit here is the framework itself, sending the same bytes with its own streaming response. The
drop-in is measured without its framework, too: there the limit is a bare ASGI app.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import sse_starlette
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sse_asgi import EventStream
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse
from sse_asgi.adapters.starlette import response as drop_in
from tests.benchmarks.bench import Bench
from tests.benchmarks.exchange import connections
from tests.benchmarks.measure import AGAIN, Quantity, Row, Timer, compare, repeated
from tests.benchmarks.peer import ASGIApp, Plan
from tests.benchmarks.peers import LIMIT, OURS
from tests.benchmarks.peers import load as load_peer

__all__ = ["rows"]

Respond = Callable[[Plan], Any]
Apps = Mapping[str, Callable[[Plan], ASGIApp]]

CONNECTION = Quantity("1 connection of 1 event", "µs", scale=1e6)
EVENT = Quantity("each further event", "µs", scale=1e6)


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the cost of a connection and of an event: in frameworks, and of the drop-in alone."""
    many = Plan(1 + bench.effort.further)
    for framework, apps in (("Starlette", STARLETTE), ("FastAPI", FASTAPI), ("drop-in", ALONE)):
        for quantity, plan in ((CONNECTION, Plan()), (EVENT, many)):
            columns = {
                name: await repeated(_timer(apps[name], plan, bench.backend), bench.effort.batch)
                for name in bench.columns()
                if name in apps
            }
            scale = quantity.scale / max(1, plan.events - 1)
            named = replace(quantity, label=f"{framework}: {quantity.label}", scale=scale)
            for row in await compare([named], columns, bench.effort.rounds):
                yield row


def _timer(make: Callable[[Plan], ASGIApp], plan: Plan, backend: str) -> Timer:
    app, size = make(plan), plan.events * len(plan.text)
    single = make(replace(plan, events=1))

    async def connection(count: int) -> float:
        return await connections(app, count, backend, size)

    async def further_events(count: int) -> float:
        first = await connections(single, count, backend)
        return await connection(count) - first

    return connection if plan.events == 1 else further_events


async def _texts(plan: Plan) -> AsyncIterator[str]:
    for _ in range(plan.events):
        yield plan.text


async def _blocks(plan: Plan) -> AsyncIterator[bytes]:
    for _ in range(plan.events):
        yield plan.block


def _framework(plan: Plan) -> StreamingResponse:
    return StreamingResponse(_blocks(plan), media_type="text/event-stream")


def _theirs(plan: Plan) -> sse_starlette.EventSourceResponse:
    return sse_starlette.EventSourceResponse(_texts(plan))


def _drop_in(plan: Plan) -> drop_in.EventSourceResponse:
    return drop_in.EventSourceResponse(_texts(plan))


def _native(plan: Plan) -> EventStream:
    return EventStream(_texts(plan))


def _in_starlette(respond: Respond) -> Callable[[Plan], ASGIApp]:
    def make(plan: Plan) -> ASGIApp:
        async def endpoint(request: Request) -> Any:
            return respond(plan)

        return Starlette(routes=[Route("/", endpoint)])

    return make


def _in_fastapi(respond: Respond) -> Callable[[Plan], ASGIApp]:
    def make(plan: Plan) -> ASGIApp:
        app = FastAPI()

        @app.get("/", response_model=None)
        async def endpoint() -> Any:
            return respond(plan)

        return app

    return make


def _with_dependency(plan: Plan) -> ASGIApp:
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def endpoint(source: Annotated[EventSource, Depends(EventSource.of)]) -> Any:
        return source.respond(_texts(plan))

    return app


def _alone(respond: Respond) -> Callable[[Plan], ASGIApp]:
    def make(plan: Plan) -> ASGIApp:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await respond(plan)(scope, receive, send)

        return app

    return make


STARLETTE: Apps = {
    LIMIT: _in_starlette(_framework),
    AGAIN: _in_starlette(_framework),
    OURS: _in_starlette(_drop_in),
    "ours_in_starlette": _in_starlette(_native),
    "sse_starlette": _in_starlette(_theirs),
}
FASTAPI: Apps = {
    LIMIT: _in_fastapi(_framework),
    AGAIN: _in_fastapi(_framework),
    OURS: _with_dependency,
    "ours_in_starlette": _in_fastapi(_drop_in),
    "sse_starlette": _in_fastapi(_theirs),
    "fastapi": load_peer("fastapi").app,
}
ALONE: Apps = {
    LIMIT: load_peer(LIMIT).app,
    AGAIN: load_peer(LIMIT).app,
    OURS: _alone(_drop_in),
    "sse_starlette": _alone(_theirs),
}
