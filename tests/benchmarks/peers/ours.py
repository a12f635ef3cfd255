"""sse_asgi without a framework: an EventStream, and on a server the app that one mounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from sse_asgi import Connection, EventSourceApp, EventStream
from sse_asgi.asgi import StreamKeywords
from sse_asgi.wire import Encoder, ServerSentEvent
from tests.benchmarks.peer import ASGIApp, Encoders, Peer, Plan, hold

__all__ = ["PEER", "content"]


def _encoders() -> Encoders:
    encode = Encoder().encode

    def fields(data: str, event: str, id: str) -> bytes:
        return encode({"data": data, "event": event, "id": id})

    def fields_of_object(data: str, event: str, id: str) -> bytes:
        return encode(ServerSentEvent(data, event=event, id=id))

    def json(value: object) -> bytes:
        return encode({"data": value})

    return {
        "small": encode,
        "1 KiB": encode,
        "fields": fields,
        "the same as an object": fields_of_object,
        "multi-line": encode,
        "json": json,
    }


def content(plan: Plan) -> Callable[[], AsyncIterator[str]] | Callable[[], Iterator[str]]:
    """Return the generator function that makes the content of each connection."""

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

    return sync_events if plan.sync else events


def _options(plan: Plan) -> StreamKeywords:
    options: StreamKeywords = {"window": plan.window}
    if plan.ping is not None:
        options["ping"] = plan.ping
    return options


def _app(plan: Plan) -> ASGIApp:
    return EventStream(content(plan), **_options(plan))


def _served(plan: Plan) -> ASGIApp:
    make = content(plan)

    def handler(connection: Connection) -> AsyncIterator[str] | Iterator[str]:
        return make()

    return EventSourceApp(handler, **_options(plan))


PEER = Peer(
    name="sse_asgi",
    app=_app,
    served=_served,
    encoders=_encoders(),
    backends=("asyncio", "trio"),
    pings=True,
    windows=True,
)
