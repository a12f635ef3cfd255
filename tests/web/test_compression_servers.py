"""Compressed streams on real servers: each event arrives readable, and the body ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.servers.apps import END
from tests.servers.configurations import Configuration
from tests.servers.harness import Server, each_configuration, serve
from tests.servers.response import Response
from tests.wire.decoding import CODINGS, BodyDecoder, decoder_of

APP = "tests.web.compression_app:app"
NAMES = (
    *("uvicorn-httptools-uvloop", "hypercorn-asyncio-h1", "hypercorn-trio-h2"),
    *("granian-uvloop-h1", "daphne"),
)
# Not HTTP/2 on trio, where hypercorn may close the connection before the very last frame.
STOPPING = (
    *("uvicorn-httptools-uvloop", "hypercorn-asyncio-h1", "hypercorn-trio-h1"),
    "granian-uvloop-h1",
)


@pytest.fixture(scope="module", params=each_configuration(when=lambda it: it.name in NAMES))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each configuration, started once for all tests."""
    configuration: Configuration = request.param
    with serve(configuration, APP, tmp_path_factory.mktemp("coded")) as server:
        yield server


@pytest.fixture(scope="module")
def keys() -> Iterator[str]:
    """Keys that no other stream of the server has."""
    return (f"key{number}" for number in count())


def read_until(response: Response, decoder: BodyDecoder, text: bytes) -> bytes:
    """Decode what arrives until it ends in an event with the data ``text``."""
    decoded = b""
    while not decoded.endswith(b"data: %b\n\n" % text):
        piece = response.read_piece()
        assert piece, f"the response ended after {decoded!r}"
        decoded += decoder.feed(piece)
    return decoded


@pytest.mark.parametrize("path", ["coded", "isolated"])
@pytest.mark.parametrize("coding", CODINGS)
def test_each_event_is_readable_while_the_stream_is_open(
    server: Server, keys: Iterator[str], coding: str, path: str
) -> None:
    key = next(keys)
    with server.connect() as connection:
        accept = [("accept-encoding", "gzip, deflate, br, zstd")]
        response = connection.get(f"/{path}?key={key}&coding={coding}", headers=accept)
        assert response.header("content-encoding") == coding
        assert response.header("vary") == "accept-encoding"
        decoder = decoder_of(coding)
        for text in ("one", "two", "three", "four", "five"):
            server.ask("/control/tell", key=key, text=text)
            read_until(response, decoder, text.encode())
        assert not decoder.is_complete
        server.ask("/control/tell", key=key, text=END)
        assert decoder.feed(response.read_body()) == b""
        assert decoder.is_complete
        assert response.is_complete


def test_client_that_does_not_ask_is_not_compressed_for(
    server: Server, keys: Iterator[str]
) -> None:
    key = next(keys)
    with server.connect() as connection:
        response = connection.get(f"/isolated?key={key}&coding=gzip")
        assert response.header("content-encoding") is None
        for text in ("one", "two", "three"):
            server.ask("/control/tell", key=key, text=text)
            event = response.read_event()
            assert event is not None
            assert event.data == text


@pytest.mark.parametrize("configuration", each_configuration(when=lambda it: it.name in STOPPING))
def test_server_that_stops_ends_the_coded_body(
    configuration: Configuration, tmp_path: Path
) -> None:
    with serve(configuration, APP, tmp_path) as server, server.connect() as connection:
        accept = [("accept-encoding", "gzip")]
        response = connection.get("/coded?key=a&coding=gzip", headers=accept)
        server.ask("/control/tell", key="a", text="one")
        decoder = decoder_of("gzip")
        read_until(response, decoder, b"one")
        server.process.signal(signal.SIGTERM)
        assert decoder.feed(response.read_body()).startswith(b"retry: ")
        assert decoder.is_complete
        assert response.is_complete
