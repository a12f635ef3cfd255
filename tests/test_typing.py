"""What is an ASGI application for one framework's types is one for those of every other."""

from __future__ import annotations

from asgiref.typing import ASGI3Application
from litestar.types import ASGIApp as LitestarApp
from starlette.types import ASGIApp as StarletteApp

from sse_asgi import EventSourceApp, EventStream


def test_applications_have_the_type_that_each_framework_asks_for() -> None:
    # The assignments are for the type checker.
    for app in (EventStream(["one"]), EventSourceApp(lambda connection: ["one"])):
        for_asgiref: ASGI3Application = app
        for_starlette: StarletteApp = app
        for_litestar: LitestarApp = app
        assert callable(for_asgiref)
        assert callable(for_starlette)
        assert callable(for_litestar)
