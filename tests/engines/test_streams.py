"""EventSource of each engine, against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from sse_asgi import DONE_ID
from tests.servers.apps import END
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.harness import Server
from tests.servers.harness import serve as serve_with
from tests.servers.process import ServerProcess
from tests.web.conftest import Serve
from tests.web.cutting import CuttingProxy
from tests.web.test_browser import ask, is_consecutive, requests

from .engine import Engine, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn"),
    pytest.mark.timeout(90),
    pytest.mark.xdist_group("engines"),
]

TEXTS = [f"{'words that come again ' * 9}{number}" for number in range(4)]
CODING_OF = """async (url) =>
    (await fetch(url, { method: "HEAD" })).headers.get("content-encoding")"""
CUTS = {"inside": rb"id: \d*5\n", "after it": rb"id: \d*5\n(?:[^\n]+\n)+\n"}
UVICORN = next(it for it in CONFIGURATIONS if it.name == "uvicorn-httptools-uvloop")


@pytest.fixture
def page(engine: Engine, server: ServerProcess) -> Iterator[Page]:
    """Open an empty page of the app's."""
    page = Page(engine.open())
    page.goto(f"http://127.0.0.1:{server.port}/")
    yield page
    page.close()


@pytest.fixture(scope="module")
def coding_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app that sends each stream in the coding that a test wants."""
    directory = tmp_path_factory.mktemp("coded")
    with serve_with(UVICORN, "tests.web.compression_app:app", directory) as server:
        yield server


def follow(page: Page, url: str, *names: str, **options: bool) -> None:
    script = "(url, options, names) => void follow(new EventSource(url, options), ...names)"
    page.evaluate(script, url, options, names)


def test_each_event_is_seen_before_the_next_one_is_told(
    page: Page, server: ServerProcess, keys: Iterator[str]
) -> None:
    key = next(keys)
    follow(page, f"/stream?key={key}", "message")
    for number in range(5):
        ask(server, f"/control/tell?key={key}&text={number}")
        page.wait("(number) => seen.at(-1) === number", str(number))
    assert page.evaluate("() => [...states, ...seen]") == ["open", "0", "1", "2", "3", "4"]


def test_stream_is_resumed_after_the_time_that_the_server_set(
    page: Page, server: ServerProcess, keys: Iterator[str]
) -> None:
    key = next(keys)
    follow(page, f"/clock?key={key}&most=5", "tick")
    numbers = page.wait("() => seen.length >= 15 && seen")
    assert is_consecutive(numbers)
    made = requests(server, key)
    ids = [request["headers"].get("last-event-id") for request in made[:3]]
    assert ids == [None, numbers[4], numbers[9]]
    # It was told 200 ms; an engine's own time is 3 s or 5 s.
    times = [after["at"] - before["at"] for before, after in pairwise(made)]
    assert 0.2 <= min(times) < 2


def test_stream_is_resumed_after_the_server_was_killed(engine: Engine, serve: Serve) -> None:
    server = serve()
    page = Page(engine.open())
    page.goto(f"http://127.0.0.1:{server.port}/")
    follow(page, "/clock", "tick")
    page.wait("() => seen.length >= 5")
    server.kill()
    before = page.wait("() => states.includes('error') && seen.length")
    serve(server.port)
    numbers = page.wait("(before) => seen.length > before + 20 && seen", before)
    page.close()
    assert is_consecutive(numbers)


@pytest.mark.parametrize(
    "at", [rb"id: \d*5\n", rb"id: \d*5\n[^\n]*\n[^\n]*\n\n"], ids=["in", "after"]
)
def test_event_that_a_cut_interrupts_is_not_lost(
    engine: Engine, server: ServerProcess, at: bytes
) -> None:
    page = Page(engine.open())
    with CuttingProxy(server.port, at) as proxy:
        page.goto(f"{proxy.url}/")
        follow(page, "/clock", "tick")
        before = page.wait("() => states.includes('error') && seen.length")
        numbers = page.wait("(before) => seen.length > before + 10 && seen", before)
        page.close()
        assert proxy.cuts == 1
    assert is_consecutive(numbers)


def test_204_ends_the_stream_for_good(
    page: Page, server: ServerProcess, keys: Iterator[str]
) -> None:
    key = next(keys)
    follow(page, f"/finite?key={key}", "message", "done")
    page.wait("() => streams[0].readyState === 2")
    assert page.evaluate("() => seen") == ["a", '{"events":1}']
    ids = [request["headers"].get("last-event-id") for request in requests(server, key)]
    assert ids == [None, DONE_ID]


def test_busy_server_is_asked_again(page: Page, server: ServerProcess, keys: Iterator[str]) -> None:
    key = next(keys)
    follow(page, f"/busy?key={key}", "message")
    page.wait("() => seen[0] === 'room'")
    assert len(requests(server, key)) >= 3


@pytest.mark.needs("httptools", "uvloop")
@pytest.mark.parametrize("coding", ["gzip", "zstd", "br"])
def test_compressed_event_is_seen_before_the_next_one_is_told(
    engine: Engine, coding_server: Server, keys: Iterator[str], coding: str
) -> None:
    key = next(keys)
    page = Page(engine.open())
    page.goto(f"http://127.0.0.1:{coding_server.process.port}/")
    url = f"/coded?key={key}&coding={coding}"
    asked = page.evaluate(CODING_OF, url)
    assert asked == (coding if coding in engine.codings else None)
    follow(page, url, "message")
    for number, text in enumerate(TEXTS, 1):
        coding_server.ask("/control/tell", key=key, text=text)
        assert page.wait("(n) => seen.length === n && seen", number) == TEXTS[:number]
    coding_server.ask("/control/tell", key=key, text=END)
    page.close()


def test_cookies_go_to_another_origin_where_the_policy_allows_it(
    page: Page, server: ServerProcess, other: ServerProcess, keys: Iterator[str]
) -> None:
    origin = f"&origin=http://127.0.0.1:{server.port}"
    address = f"http://127.0.0.1:{other.port}/shared?key={next(keys)}{origin}"
    page.evaluate("() => { document.cookie = 'who=me'; }")  # of all ports of the host
    follow(page, f"{address}&credentials=1", "message", withCredentials=True)
    assert page.wait("() => seen[0]") == "who=me"
    follow(page, address, "message", withCredentials=True)
    page.wait("() => streams[1].readyState === 2")


@pytest.mark.needs("hypercorn", "h2", "openssl")
def test_http2_has_room_for_twenty_streams_and_more_requests(
    engine: Engine, secure: ServerProcess
) -> None:
    page = Page(engine.open())
    page.goto(f"https://127.0.0.1:{secure.port}/")
    page.evaluate("() => { for (let n = 0; n < 20; n++) new EventSource(`/pinged?key=${n}`); }")
    page.wait("() => streams.filter((source) => source.readyState === 1).length === 20")
    protocol = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"
    assert page.evaluate(protocol) in ("h2", "")
    assert page.evaluate("() => fetch('/').then((answer) => answer.status)") == 200
    page.close()
