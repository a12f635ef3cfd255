"""Django's StreamingHttpResponse with an asynchronous generator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest  # type: ignore[import-untyped]
from django.http import StreamingHttpResponse  # type: ignore[import-untyped]
from django.test import override_settings  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]

from tests.django_settings import configure_django

from .trace import Trace

__all__ = ["make_app"]


async def ticks(trace: Trace) -> AsyncIterator[str]:
    """Yield the blocks of an endless event stream."""
    with trace:
        for number in count():
            yield f"id: {number}\ndata: tick {number}\n\n"
            await trace.pause(number)


async def endpoint(request: ASGIRequest) -> StreamingHttpResponse:
    """Answer with the stream."""
    trace = request.scope["state"]["trace"]
    return StreamingHttpResponse(ticks(trace), content_type="text/event-stream")


urlpatterns = [path("ticks", endpoint)]


def make_app(trace: Trace) -> Any:
    """Return Django's ASGI handler, which needs settings while it serves."""
    configure_django()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"trace": trace}
        with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
            await ASGIHandler()(scope, receive, send)

    return app
