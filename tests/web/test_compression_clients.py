"""Compressed streams in real clients: an event is told only when the one before has been read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.servers.apps import END
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import Server, serve
from tests.wire.decoding import CODINGS

from .browser import TIMEOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn", "httptools", "uvloop"),
    pytest.mark.timeout(30),
    pytest.mark.xdist_group("browser"),
]

UVICORN = next(it for it in CONFIGURATIONS if it.name == "uvicorn-httptools-uvloop")
TEXTS = [f"{'what repeats itself, ' * 9}{number}" for number in range(6)]
Lines: TypeAlias = Iterator[str]

READ_IN_NODE = """
const decoder = new TextDecoder();
const response = await fetch(process.argv[1]);
console.log("coding: " + response.headers.get("content-encoding"));
for await (const chunk of response.body) process.stdout.write(decoder.decode(chunk));
"""
# Each keeps what it has read in ``seen``; how it ended is in ``ended``.
OPEN_SOURCE = """(url) => {
    window.seen = []; window.ended = null;
    const source = new EventSource(url);
    for (const type of ["message", "position", "number"])
        source.addEventListener(type, (event) => window.seen.push(event.data));
    source.onerror = () => { source.close(); window.ended = "error"; };
}"""
FOLLOW_NUMBERS = """() => {
    window.numbers = () =>
        window.seen.filter((data) => /^[0-9]+: /.test(data)).map((data) => parseInt(data));
}"""
OPEN_FETCH = """async (url) => {
    window.seen = []; window.ended = null;
    const reader = (await fetch(url)).body.getReader(), decoder = new TextDecoder();
    (async () => {
        let text = "";
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            text += decoder.decode(value, { stream: true });
            window.seen = [...text.matchAll(/^data: (.*)$/gm)].map((found) => found[1]);
        }
        window.ended = "complete";
    })().catch((error) => { window.ended = String(error); });
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on uvicorn."""
    directory = tmp_path_factory.mktemp("coded")
    with serve(UVICORN, "tests.web.compression_app:app", directory) as server:
        yield server


@pytest.fixture(scope="module")
def keys() -> Iterator[str]:
    """Keys that no other stream of the server has."""
    return (f"key{number}" for number in count())


@contextmanager
def process(*command: str) -> Iterator[Lines]:
    """Run a client that writes what it reads to its output, and ends well."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as client:
        try:
            assert client.stdout is not None
            assert client.stderr is not None
            yield iter(client.stdout.readline, "")
            assert client.wait(10) == 0, client.stderr.read()
        finally:
            client.kill()


def curl(url: str) -> AbstractContextManager[Lines]:
    return process("curl", "--silent", "--show-error", "--no-buffer", "--compressed", url)


def node(url: str) -> AbstractContextManager[Lines]:
    return process("node", "--input-type=module", "--eval", READ_IN_NODE, url)


@contextmanager
def httpx(url: str) -> Iterator[Lines]:
    from httpx import Client

    with Client(timeout=20) as client, client.stream("GET", url) as response:
        yield response.iter_lines()


CLIENTS = [
    pytest.param(curl, id="curl", marks=pytest.mark.needs("curl")),
    pytest.param(httpx, id="httpx", marks=pytest.mark.needs("httpx")),
    pytest.param(node, id="node", marks=pytest.mark.needs("node")),
]


@pytest.mark.parametrize("path", ["coded", "isolated"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("client", CLIENTS)
def test_client_reads_each_event_before_the_next_is_told(
    server: Server, keys: Iterator[str], client: Callable[[str], Any], coding: str, path: str
) -> None:
    key = next(keys)
    if client is node and coding == "zstd":
        coding = "br"  # Node takes no Zstandard yet; it gets what it asks for
    url = f"http://127.0.0.1:{server.process.port}/{path}?key={key}&coding={coding}"
    with client(url) as lines:
        for text in TEXTS:
            server.ask("/control/tell", key=key, text=text)
            assert any(line.strip() == f"data: {text}" for line in lines)
        server.ask("/control/tell", key=key, text=END)
        assert not [line for line in lines if line.strip()]


@pytest.mark.needs("chromium", "playwright")
@pytest.mark.parametrize("path", ["coded", "isolated"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("way", [OPEN_SOURCE, OPEN_FETCH], ids=["EventSource", "fetch"])
def test_chromium_reads_each_event_before_the_next_is_told(
    browser: Browser, server: Server, keys: Iterator[str], way: str, coding: str, path: str
) -> None:
    key = next(keys)
    address = f"http://127.0.0.1:{server.process.port}"
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT)
    with page.expect_response(f"{address}/{path}?*") as answer:
        page.goto(f"{address}/")
        page.evaluate(way, f"/{path}?key={key}&coding={coding}")
    assert answer.value.headers["content-encoding"] == coding
    for number, text in enumerate(TEXTS, 1):
        server.ask("/control/tell", key=key, text=text)
        page.wait_for_function(f"window.seen.length >= {number}")
        assert page.evaluate("window.seen") == TEXTS[:number]
    assert page.evaluate("window.ended") is None
    server.ask("/control/tell", key=key, text=END)
    page.wait_for_function("window.ended")
    # The end of a body is an error to an EventSource, which would reconnect.
    assert page.evaluate("window.ended") == ("error" if way is OPEN_SOURCE else "complete")
    page.close()


@pytest.mark.needs("chromium", "playwright")
@pytest.mark.parametrize("way", [OPEN_SOURCE, OPEN_FETCH], ids=["EventSource", "fetch"])
def test_subscribers_of_a_hub_who_come_at_any_time_read_the_same(
    browser: Browser, server: Server, way: str
) -> None:
    address = f"http://127.0.0.1:{server.process.port}"
    begins = (0, 30, 99, 100, 101)  # a run has 100 events
    pages: list[Page] = []
    for begin, end in pairwise((*begins, 260)):
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT)
        page.goto(f"{address}/")
        page.evaluate(way, "/hub?coding=gzip")
        page.evaluate(FOLLOW_NUMBERS)
        page.wait_for_function("window.seen.length >= 1")  # where it stands
        pages.append(page)
        for number in range(begin, end):
            server.ask("/control/publish", **{"from": str(number), "to": str(number + 1)})
        for first, page in zip(begins, pages, strict=False):
            page.wait_for_function(f"numbers().length >= {end - first}")
    for first, page in zip(begins, pages, strict=True):
        assert page.evaluate("numbers()") == list(range(first, 260))
        assert page.evaluate("window.ended") is None
        page.close()
