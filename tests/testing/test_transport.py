"""The streaming transports for httpx and httpx2, and the clients that people point at them."""

from __future__ import annotations

import importlib
from typing import Any

import anyio
import pytest

from sse_asgi.testing import AppLeaked, ASGIViolation

from .apps import (
    EVENT_STREAM,
    Receive,
    Scope,
    Send,
    Ticker,
    body,
    disconnected,
    endless,
    finite,
    start,
)

pytestmark = [
    pytest.mark.anyio,
    # They nest asynchronous generators and close the outermost at best when a response is not read
    # to its end; trio warns of the others.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]


@pytest.fixture(
    params=[
        pytest.param("httpx", marks=pytest.mark.needs("httpx")),
        pytest.param("httpx2", marks=pytest.mark.needs("httpx2")),
    ]
)
def library(request: pytest.FixtureRequest) -> Any:
    """Give httpx, or its successor."""
    return importlib.import_module(request.param)


def make_client(library: Any, app: Any, *, timeout: Any = 5, **options: Any) -> Any:
    """Return a client of the library that talks to the app."""
    module = importlib.import_module(f"sse_asgi.testing.{library.__name__}")
    transport = module.ASGIStreamingTransport(app, **options)
    return library.AsyncClient(transport=transport, base_url="http://test", timeout=timeout)


async def test_an_endless_body_streams(library: Any) -> None:
    app = Ticker()
    async with make_client(library, app) as client:
        async with client.stream("GET", "/ticks?x=1") as response:
            assert response.status_code == 200
            assert response.http_version == "HTTP/1.1"
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(5)] == [
                "id: 0",
                "data: tick 0",
                "",
                "id: 1",
                "data: tick 1",
            ]
            assert not app.closed
        assert app.closed
    assert app.scopes[0]["query_string"] == b"x=1"
    assert app.scopes[0]["server"] == ("test", 80)


async def test_the_request_arrives_as_it_was_made(library: Any) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        seen.update(scope, body=message["body"])
        await start(send, 201, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
        await body(send, b"done", more=False)

    async with make_client(library, app, root_path="/api", client=None, state={"a": 1}) as client:
        url = "https://host:8443/caf%C3%A9?q=a%20b"
        response = await client.post(url, json={"a": 1}, headers={"X-Y": "z"})
    assert response.status_code == 201
    assert response.text == "done"
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert seen["method"] == "POST"
    assert seen["path"] == "/api/caf\u00e9"
    assert seen["query_string"] == b"q=a%20b"
    assert (seen["scheme"], seen["server"], seen["client"]) == ("https", ("host", 8443), None)
    assert seen["body"].replace(b" ", b"") == b'{"a":1}'
    assert seen["state"] == {"a": 1}
    assert (b"x-y", b"z") in seen["headers"]


async def test_a_streamed_request_body_arrives_in_its_chunks(library: Any) -> None:
    chunks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            chunks.append(message["body"])
            more = message["more_body"]
        await finite()(scope, receive, send)

    async def content() -> Any:
        yield b"a"
        yield b"b"

    async with make_client(library, app) as client:
        await client.post("/", content=content())
    assert chunks == [b"a", b"b"]


async def test_an_error_before_the_response_comes_from_the_request(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async with make_client(library, app) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
    async with make_client(library, app, raise_app_exceptions=False) as client:
        assert (await client.get("/")).status_code == 500


async def test_an_error_midway_comes_from_reading(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: a\n\n")
        raise ZeroDivisionError

    async with make_client(library, app) as client, client.stream("GET", "/") as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"data: a\n\n"
        with pytest.raises(ZeroDivisionError):
            await anext(pieces)
    async with make_client(library, app, raise_app_exceptions=False) as client:
        with pytest.raises(library.RemoteProtocolError, match="broke off"):
            await client.get("/")


async def test_the_read_timeout_of_the_client_holds(library: Any) -> None:
    async def no_head(scope: Scope, receive: Receive, send: Send) -> None:
        await disconnected(receive)

    async with make_client(library, no_head, timeout=0.02) as client:
        with pytest.raises(library.ReadTimeout, match="no response within"):
            await client.get("/")
    async with make_client(library, endless(b"data: a\n\n"), timeout=0.02) as client:
        with pytest.raises(library.ReadTimeout, match="nothing was read for"):
            await client.get("/")


async def test_no_read_timeout_waits(library: Any) -> None:
    app = Ticker()
    async with (
        make_client(library, app, timeout=None) as client,
        client.stream("GET", "/") as response,
    ):
        await anext(response.aiter_bytes())


async def test_closing_a_response_waits_for_the_app_and_tells_of_a_leak(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await anyio.sleep_forever()

    async with make_client(library, app, timeout=5) as client:
        client._transport._timeout = 0.02
        response = await client.send(client.build_request("GET", "/"), stream=True)
        with pytest.raises(AppLeaked):
            await response.aclose()


async def test_closing_the_client_leaves_what_is_still_open(library: Any) -> None:
    app = Ticker()
    client = make_client(library, app)
    request = client.build_request("GET", "/")
    response = await client.send(request, stream=True)
    await anext(response.aiter_bytes())
    await client.aclose()
    assert app.closed


async def test_closing_the_client_tells_of_the_first_failure(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await disconnected(receive)
        await body(send, "text")  # type: ignore[arg-type]

    client = make_client(library, app)
    for _ in range(2):
        await client.send(client.build_request("GET", "/"), stream=True)
    with pytest.raises(ASGIViolation, match="byte string"):
        await client.aclose()


async def test_a_response_may_be_closed_by_another_task(library: Any) -> None:
    app = Ticker()
    async with make_client(library, app) as client:
        response = await client.send(client.build_request("GET", "/"), stream=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(response.aclose)
        assert app.closed


async def test_a_client_that_reads_slowly_holds_send_up(library: Any) -> None:
    app = Ticker()
    async with (
        make_client(library, app, window=40) as client,
        client.stream("GET", "/") as response,
    ):
        pieces = response.aiter_bytes()
        for _ in range(10):
            await anext(pieces)
        assert app.sent <= 13


async def test_a_cancelled_request_leaves_the_app(library: Any) -> None:
    closed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await disconnected(receive)
        finally:
            closed.append(True)

    async with make_client(library, app) as client:
        with anyio.move_on_after(0.02):
            await client.get("/")
    assert closed == [True]


async def test_a_compressed_stream_is_the_client_s_business(library: Any) -> None:
    import gzip

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[*EVENT_STREAM, (b"content-encoding", b"gzip")])
        await body(send, gzip.compress(b"data: a\n\n"), more=False)

    async with make_client(library, app) as client:
        assert (await client.get("/")).text == "data: a\n\n"
