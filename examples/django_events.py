# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "django", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Django: a response from an asynchronous view, and a sub-app beside Django's application.

Run: python examples/django_events.py    Try: curl -N localhost:8000/events
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from sse_asgi import Connection, EventSourceApp

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only an example",
)
django.setup()

from sse_asgi.adapters.django import EventSourceResponse  # noqa: E402 - after the settings


async def ticks(name: str) -> AsyncIterator[dict[str, str]]:
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await asyncio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


async def events(request: HttpRequest) -> HttpResponse:
    return EventSourceResponse(request, ticks(request.GET.get("name", "events")))


def beside(connection: Connection) -> AsyncIterator[dict[str, str]]:
    return ticks(connection.query.get("name", "beside"))


urlpatterns = [path("", lambda request: HttpResponse("an ordinary view")), path("events", events)]
application = get_asgi_application()
stream = EventSourceApp(beside)


async def app(scope: Any, receive: Any, send: Any) -> None:
    to_stream = scope["type"] != "http" or scope["path"] == "/beside"
    await (stream if to_stream else application)(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
