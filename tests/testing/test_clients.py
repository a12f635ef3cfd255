"""The clients that people point at a streaming app, in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from sse_asgi import Connection, EventSourceApp
from sse_asgi.testing import lifespan

from .apps import Ticker

pytestmark = [
    pytest.mark.anyio,
    # They nest asynchronous generators and close the outermost at best when a response is not read
    # to its end; trio warns of the others.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


@pytest.mark.needs("httpx", "httpx_sse")
async def test_httpx_sse_reads_an_endless_stream() -> None:
    import httpx
    import httpx_sse

    from sse_asgi.testing.httpx import ASGIStreamingTransport

    app = Ticker()
    transport = ASGIStreamingTransport(app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        httpx_sse.aconnect_sse(client, "GET", "/") as source,
    ):
        events = source.aiter_sse()
        assert [(await anext(events)).data for _ in range(3)] == ["tick 0", "tick 1", "tick 2"]
        await events.aclose()
    assert app.closed


@pytest.mark.needs("httpx2")
async def test_httpx2_s_own_event_source_reads_an_endless_stream() -> None:
    import httpx2

    from sse_asgi.testing.httpx2 import ASGIStreamingTransport

    app = Ticker()
    transport = ASGIStreamingTransport(app)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        client.stream("GET", "/") as response,
    ):
        events = aiter(httpx2.EventSource(response))
        assert [(await anext(events)).id for _ in range(3)] == ["0", "1", "2"]
    assert app.closed


class Completions:
    """Streams chat completion chunks as a language model's server does."""

    def __init__(self) -> None:
        self.closed = anyio.Event()
        self.requests: list[bytes] = []
        self.app = EventSourceApp(self._stream, methods=["POST"], ping=0.01)

    async def _stream(self, connection: Connection) -> AsyncIterator[object]:
        self.requests.append(connection.body)
        try:
            number = 0
            while True:
                yield self._chunk(f"word {number} ")
                number += 1
                await anyio.sleep(0.001)
        finally:
            self.closed.set()

    @staticmethod
    def _chunk(text: str) -> dict[str, Any]:
        delta = {"index": 0, "delta": {"role": "assistant", "content": text}}
        return {
            "data": {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": "m",
                "choices": [{**delta, "finish_reason": None}],
            }
        }


@pytest.mark.needs("openai", "httpx2")
async def test_the_openai_client_reads_a_stream_and_stops_it(
    anyio_backend_name: str,
) -> None:
    import httpx2
    import openai

    from sse_asgi.testing.httpx2 import ASGIStreamingTransport

    server = Completions()
    http_client = httpx2.AsyncClient(transport=ASGIStreamingTransport(server.app))
    async with openai.AsyncOpenAI(
        api_key="k", base_url="http://test/v1", http_client=http_client, max_retries=0
    ) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        words = []
        async with stream:
            async for chunk in stream:
                words.append(chunk.choices[0].delta.content)
                if len(words) == 3:
                    break
        with anyio.fail_after(5):
            await server.closed.wait()
    assert words == ["word 0 ", "word 1 ", "word 2 "]
    assert b'"stream":true' in server.requests[0]


@pytest.mark.needs("mcp", "httpx2")
async def test_the_mcp_client_talks_to_an_mcp_server_over_event_streams() -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    from sse_asgi.testing.httpx2 import ASGIStreamingTransport
    from tests.testing.peers.mcp_server import make_app

    reports = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    app = make_app()
    transport = ASGIStreamingTransport(app)
    async with (
        lifespan(app),
        httpx2.AsyncClient(transport=transport, timeout=5) as http,
        Client(streamable_http_client("http://test/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool("add", {"a": 1, "b": 2}, progress_callback=on_progress)
    assert result.structured_content == {"result": 3}
    assert reports == [(1, 2, "half")]
