"""sse-starlette: dictionaries into an EventSourceResponse, with its ping."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from sse_starlette import EventSourceResponse, JSONServerSentEvent
from sse_starlette.event import ensure_bytes
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.benchmarks.peer import ASGIApp, Peer, Plan, hold

__all__ = ["PEER"]

SEPARATOR = EventSourceResponse.DEFAULT_SEPARATOR


def _text(data: str) -> bytes:
    return ensure_bytes({"data": data}, SEPARATOR)


def _fields(data: str, event: str, id: str) -> bytes:
    return ensure_bytes({"data": data, "event": event, "id": id}, SEPARATOR)


def _json(value: object) -> bytes:
    return ensure_bytes(JSONServerSentEvent(value), SEPARATOR)


async def _events(plan: Plan) -> AsyncIterator[dict[str, str]]:
    if plan.pause is not None:
        await plan.pause()
    for _ in range(plan.events):
        yield {"data": plan.text}
    if plan.open_ended:
        await hold()


def _sync_events(plan: Plan) -> Iterator[dict[str, str]]:
    for _ in range(plan.events):
        yield {"data": plan.text}


def _response(plan: Plan) -> EventSourceResponse:
    content = _sync_events(plan) if plan.sync else _events(plan)
    if plan.ping is None:
        return EventSourceResponse(content)
    return EventSourceResponse(content, ping=int(plan.ping))


def _app(plan: Plan) -> ASGIApp:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _response(plan)(scope, receive, send)

    return app


def _served(plan: Plan) -> ASGIApp:
    async def endpoint(request: Request) -> EventSourceResponse:
        return _response(plan)

    return Starlette(routes=[Route("/", endpoint)])


PEER = Peer(
    name="sse-starlette",
    app=_app,
    served=_served,
    encoders={
        "small": _text,
        "1 KiB": _text,
        "fields": _fields,
        "the same as an object": _fields,
        "multi-line": _text,
        "json": _json,
    },
    pings=True,
)
