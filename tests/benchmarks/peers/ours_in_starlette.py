"""sse_asgi behind Starlette's routing: what a user of the framework pays, as with sse-starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from sse_asgi import EventStream
from tests.benchmarks.peer import ASGIApp, Peer, Plan

from .ours import content

__all__ = ["PEER"]


def _app(plan: Plan) -> ASGIApp:
    make = content(plan)

    async def endpoint(request: Request) -> EventStream:
        return EventStream(make())

    return Starlette(routes=[Route("/", endpoint)])


PEER = Peer(name="in Starlette", app=_app)
