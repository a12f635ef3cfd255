"""Litestar: a generator into its ServerSentEvent response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from litestar import Litestar, get
from litestar.response import ServerSentEvent, ServerSentEventMessage
from litestar.serialization import encode_json

from tests.benchmarks.peer import ASGIApp, Peer, Plan, hold

__all__ = ["PEER"]


def _text(data: str) -> bytes:
    return ServerSentEventMessage(data=data).encode()


def _fields(data: str, event: str, id: str) -> bytes:
    return ServerSentEventMessage(data=data, event=event, id=id).encode()


def _json(value: object) -> bytes:
    return ServerSentEventMessage(data=encode_json(value)).encode()


def _app(plan: Plan) -> ASGIApp:
    async def events() -> AsyncIterator[str]:
        if plan.pause is not None:
            await plan.pause()
        for _ in range(plan.events):
            yield plan.text
        if plan.open_ended:
            await hold()

    def sync_events() -> Iterator[str]:
        for _ in range(plan.events):
            yield plan.text

    @get("/", sync_to_thread=False)
    def handler() -> ServerSentEvent:
        return ServerSentEvent(sync_events() if plan.sync else events())

    return Litestar([handler], openapi_config=None)


PEER = Peer(
    name="litestar",
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
