"""FastAPI's own event streams: a path operation that yields, with ``response_class``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.sse import EventSourceResponse, ServerSentEvent, format_sse_event

from tests.benchmarks.peer import ASGIApp, Peer, Plan, hold

__all__ = ["PEER"]


def _text(data: str) -> bytes:
    return format_sse_event(data_str=data)


def _fields(data: str, event: str, id: str) -> bytes:
    return format_sse_event(data_str=data, event=event, id=id)


def _json(value: object) -> bytes:
    return format_sse_event(data_str=json.dumps(jsonable_encoder(value)))


def _app(plan: Plan) -> ASGIApp:
    app = FastAPI()

    async def events() -> AsyncIterable[ServerSentEvent]:
        if plan.pause is not None:
            await plan.pause()
        for _ in range(plan.events):
            yield ServerSentEvent(raw_data=plan.text)
        if plan.open_ended:
            await hold()

    def sync_events() -> Iterable[ServerSentEvent]:
        for _ in range(plan.events):
            yield ServerSentEvent(raw_data=plan.text)

    app.get("/", response_class=EventSourceResponse)(sync_events if plan.sync else events)
    return app


PEER = Peer(
    name="fastapi",
    app=_app,
    encoders={
        "small": _text,
        "1 KiB": _text,
        "fields": _fields,
        "the same as an object": _fields,
        "multi-line": _text,
        "json": _json,
    },
)
