"""Starlette: bytes that are encoded already into a StreamingResponse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.benchmarks.peer import ASGIApp, Peer, Plan, hold

__all__ = ["PEER"]


async def _events(plan: Plan, block: bytes) -> AsyncIterator[bytes]:
    if plan.pause is not None:
        await plan.pause()
    for _ in range(plan.events):
        yield block
    if plan.open_ended:
        await hold()


def _sync_events(plan: Plan, block: bytes) -> Iterator[bytes]:
    for _ in range(plan.events):
        yield block


def _response(plan: Plan, block: bytes) -> StreamingResponse:
    content = _sync_events(plan, block) if plan.sync else _events(plan, block)
    return StreamingResponse(content, media_type="text/event-stream")


def _app(plan: Plan) -> ASGIApp:
    block = plan.block

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _response(plan, block)(scope, receive, send)

    return app


def _served(plan: Plan) -> ASGIApp:
    block = plan.block

    async def endpoint(request: Request) -> StreamingResponse:
        return _response(plan, block)

    return Starlette(routes=[Route("/", endpoint)])


PEER = Peer(name="starlette", app=_app, served=_served, backends=("asyncio", "trio"))
