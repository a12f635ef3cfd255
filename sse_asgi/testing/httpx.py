"""A transport that streams, for ``httpx.AsyncClient(transport=ASGIStreamingTransport(app))``.

Import it from this module. It needs ``pip install "sse-asgi[httpx]"``, the rest does not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..extras import missing
from .transport import BodyStream, StreamingTransport

try:
    import httpx
except ModuleNotFoundError as _exc:
    raise missing("httpx", _exc) from _exc

__all__ = ["ASGIStreamingTransport"]


class _Body(BodyStream, httpx.AsyncByteStream):
    pass


class ASGIStreamingTransport(StreamingTransport, httpx.AsyncBaseTransport):
    """Calls an ASGI app for each request and hands its response on while the app still sends.

    The client's read timeout holds for the head and for each piece of the body. What the app raises
    is raised where the client waits; closing the response disconnects and waits for the app to
    return, and so does closing the client for the responses that are still open.
    """

    package: ClassVar[Any] = httpx
    body_stream: ClassVar[type[BodyStream]] = _Body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call the app; return the response once the app has started it."""
        response: httpx.Response = await self.respond(request)
        return response
