"""What the transports for httpx and httpx2 have in common: those libraries' own types excepted."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from ..asgi.types import ASGIApp
from .connection import ClientConnection, clean_up
from .server.exchange import Exchange
from .server.profile import UVICORN, ServerProfile
from .server.request import Request

__all__ = ["BodyStream", "StreamingTransport"]


class BodyStream:
    """The body of a response, piece by piece as the app sends it.

    Closing it disconnects, and waits for the app to return.
    """

    def __init__(
        self, connection: ClientConnection, chunks: deque[bytes], read_timeout: float, package: Any
    ) -> None:
        self._connection = connection
        self._chunks = chunks
        self._read_timeout = read_timeout
        self._package = package

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        connection, chunks = self._connection, self._chunks
        in_time = await connection.wait(lambda: chunks or connection.is_over, self._read_timeout)
        if chunks:
            chunk = chunks.popleft()
            connection.exchange.consumed(len(chunk))
            return chunk
        if not in_time:
            raise self._package.ReadTimeout(f"nothing was read for {self._read_timeout:g} s")
        if connection.exchange.response.complete:
            raise StopAsyncIteration
        connection.raise_failure()
        raise self._package.RemoteProtocolError("the body broke off: more_body was never false")

    async def aclose(self) -> None:
        """Disconnect, and wait for the app to return."""
        await self._connection.leave()


class StreamingTransport:
    """Runs an ASGI app for each request, in a task that ends with the response.

    The task belongs to the transport, not to the task that made the request, for a client may read
    and close a response wherever it likes. So the transport, which is to say its client, must be
    closed.

    :param timeout: seconds that an app may take to return once its response is closed
    :param options: as those of :func:`~sse_asgi.testing.connect`
    """

    package: ClassVar[Any]
    body_stream: ClassVar[type[BodyStream]]

    def __init__(
        self,
        app: ASGIApp,
        *,
        timeout: float = 5.0,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 12345),
        http_version: str = "1.1",
        state: Mapping[str, Any] | None = None,
        server: ServerProfile = UVICORN,
        strict: bool = True,
        window: int = 65_536,
    ) -> None:
        self._app = app
        self._timeout = timeout
        self._raise_app_exceptions = raise_app_exceptions
        self._request_options: dict[str, Any] = {
            "root_path": root_path,
            "client": client,
            "http_version": http_version,
            "state": state,
        }
        self._exchange_options: dict[str, Any] = {
            "profile": server,
            "strict": strict,
            "window": window,
        }
        self._connections: list[ClientConnection] = []

    async def respond(self, request: Any) -> Any:
        """Call the app; return the library's response once the app has started it."""
        read_timeout = (request.extensions.get("timeout") or {}).get("read")
        limit = float("inf") if read_timeout is None else read_timeout
        chunks: deque[bytes] = deque()
        exchange = Exchange(
            self._app, await self._request(request), chunks.append, **self._exchange_options
        )
        connection = ClientConnection(
            exchange, timeout=self._timeout, raise_app_exceptions=self._raise_app_exceptions
        )
        self._connections = [one for one in self._connections if not one.exchange.task.done]
        self._connections.append(connection)
        try:
            if not await connection.wait_for_head(limit):
                raise self.package.ReadTimeout(f"no response within {limit:g} s", request=request)
        except BaseException as exc:
            await clean_up(connection.leave, exc)
            raise
        return self.package.Response(
            exchange.response.status,
            headers=list(exchange.response.headers.raw),
            stream=self.body_stream(connection, chunks, limit, self.package),
            extensions={"http_version": b"HTTP/" + exchange.scope["http_version"].encode()},
        )

    async def _request(self, request: Any) -> Request:
        url = request.url
        return Request(
            path=url.raw_path.decode("ascii"),
            method=request.method,
            headers=tuple((name.lower(), value) for name, value in request.headers.raw),
            body=tuple([chunk async for chunk in request.stream]) or (b"",),
            scheme=url.scheme,
            server=(url.host, url.port or (443 if url.scheme == "https" else 80)),
            **self._request_options,
        )

    async def aclose(self) -> None:
        """Leave every response that is still open.

        :raises AppLeaked: an app did not return; the first failure is raised after all were left
        """
        connections, self._connections = self._connections, []
        failures: list[BaseException] = []
        for connection in connections:
            try:
                await connection.leave()
            except BaseException as exc:
                failures.append(exc)
        if failures:
            raise failures[0]
