"""EventSource and fetch of a real browser, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sse_asgi import DONE_ID
from tests.servers.http1 import Http1Connection
from tests.servers.process import ServerProcess

from .browser import opened, wait
from .conftest import Serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

OPEN = "() => streams.filter((source) => source.readyState === 1).length"


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    """Open an empty page of the app's."""
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        yield page


def ask(server: ServerProcess, path: str) -> str:
    with Http1Connection(server.port) as connection:
        return connection.get(path).read_body().decode()


def requests(server: ServerProcess, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask(server, f"/control/requests?key={key}"))
    return found


def is_consecutive(numbers: list[str]) -> bool:
    first = int(numbers[0])
    return [int(number) for number in numbers] == list(range(first, first + len(numbers)))


def test_stream_opens_before_its_first_event(page: Page, server: ServerProcess) -> None:
    page.evaluate("() => follow(new EventSource('/late?key=late'), 'message')")
    wait(page, "() => states[0] === 'open'")
    assert page.evaluate("seen") == []
    ask(server, "/control/tell?key=late&text=now")
    wait(page, "() => seen[0] === 'now'")
    with Http1Connection(server.port) as connection:
        # Firefox opens at the first byte of the body only.
        assert connection.get("/late?key=raw").read_piece() == b"retry: 1234\n\n"
        ask(server, "/control/tell?key=raw&text=!end")


def test_stream_that_the_server_ends_is_resumed_after_the_time_it_was_told(
    page: Page, server: ServerProcess
) -> None:
    page.evaluate("() => follow(new EventSource('/clock?key=cut&most=5'), 'tick')")
    numbers = wait(page, "() => seen.length >= 15 && seen")
    assert is_consecutive(numbers)
    made = requests(server, "cut")
    ids = [request["headers"].get("last-event-id") for request in made[:3]]
    assert ids == [None, numbers[4], numbers[9]]
    # It was told 200 ms; its own would be 3 s.
    times = [after["at"] - before["at"] for before, after in pairwise(made)]
    assert min(times) >= 0.2
    assert min(times) < 2


def test_stream_is_resumed_after_the_server_was_killed(browser: Browser, serve: Serve) -> None:
    server = serve()
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.evaluate("() => follow(new EventSource('/clock'), 'tick')")
        wait(page, "() => seen.length >= 5")
        server.kill()
        before = wait(page, "() => states.includes('error') && seen.length")
        serve(server.port)
        numbers = wait(page, "(before) => seen.length > before + 20 && seen", before)
        assert is_consecutive(numbers)


def test_stream_that_is_done_is_never_asked_for_again(page: Page, server: ServerProcess) -> None:
    page.evaluate("() => follow(new EventSource('/finite?key=done'), 'message', 'done')")
    wait(page, "() => streams[0].readyState === 2")
    assert page.evaluate("seen") == ["a", '{"events":1}']
    made = requests(server, "done")
    assert [request["headers"].get("last-event-id") for request in made] == [None, DONE_ID]


def test_page_that_was_told_to_come_back_later_does(page: Page, server: ServerProcess) -> None:
    page.evaluate("() => follow(new EventSource('/busy?key=busy'), 'message')")
    wait(page, "() => seen[0] === 'room'")
    assert len(requests(server, "busy")) == 3


def test_http1_has_six_connections_for_all_tabs(page: Page, server: ServerProcess) -> None:
    page.evaluate("() => { for (let n = 0; n < 8; n++) new EventSource(`/pinged?key=${n}`); }")
    wait(page, f"() => ({OPEN})() === 6")
    hangs = "() => fetch('/', {signal: AbortSignal.timeout(500)}).catch((error) => error.name)"
    assert page.evaluate(hangs) == "TimeoutError"
    assert page.evaluate(OPEN) == 6
    page.evaluate("() => streams[0].close()")
    wait(page, f"() => streams[0].readyState === 2 && ({OPEN})() === 6")


POST = """() => {
    fetch("/posted?key=post", {method: "POST", body: "hello"}).then(async (answer) => {
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part; !(part = await reader.read()).done;) seen.push(part.value);
        states.push("end");
    });
}"""


def test_events_of_a_post_arrive_while_it_runs(page: Page, server: ServerProcess) -> None:
    page.evaluate(POST)
    wait(page, "() => seen.join('').endsWith('data: hello\\n\\n')")
    for number in range(3):
        ask(server, f"/control/tell?key=post&text={number}")
        wait(page, f"() => seen.join('').endsWith('data: {number}\\n\\n')")
    assert page.evaluate("states") == []
    ask(server, "/control/tell?key=post&text=!end")
    wait(page, "() => states[0] === 'end'")


# -- other origins ---------------------------------------------------------------------------------


def shared(server: ServerProcess, key: str, origin: ServerProcess, more: str = "") -> str:
    query = f"key={key}&origin=http://127.0.0.1:{origin.port}{more}"
    return f"http://127.0.0.1:{server.port}/shared?{query}"


COOKIE: Any = {"name": "who", "value": "me", "url": "http://127.0.0.1/"}
FOLLOW = "([url, options]) => void follow(new EventSource(url, options), 'message')"


def test_stream_of_another_origin_is_read_and_resumed_without_preflight(
    page: Page, server: ServerProcess, other: ServerProcess
) -> None:
    page.context.add_cookies([COOKIE])
    page.evaluate(FOLLOW, [shared(other, "plain", server), {}])
    assert wait(page, "() => seen.length >= 2 && seen.slice(0, 2)") == ["none", "none"]
    made = requests(other, "plain")
    assert {request["method"] for request in made} == {"GET"}
    assert made[1]["headers"]["last-event-id"] == "greeted"


def test_cookies_go_to_another_origin_where_the_policy_allows_it(
    page: Page, server: ServerProcess, other: ServerProcess
) -> None:
    page.context.add_cookies([COOKIE])
    page.evaluate(FOLLOW, [shared(other, "a", server, "&credentials=1"), {"withCredentials": True}])
    assert wait(page, "() => seen[0]") == "who=me"
    assert {request["method"] for request in requests(other, "a")} == {"GET"}
    page.evaluate(FOLLOW, [shared(other, "b", server), {"withCredentials": True}])
    wait(page, "() => streams[1].readyState === 2")


def test_stream_is_not_for_pages_of_an_origin_that_is_not_named(
    page: Page, server: ServerProcess, other: ServerProcess
) -> None:
    page.evaluate(FOLLOW, [shared(other, "wrong", other), {}])
    wait(page, "() => streams[0].readyState === 2")
    assert page.evaluate("seen") == []


ASK = """([url, headers]) => fetch(url, {method: "POST", headers, body: "{}"})
    .then((answer) => answer.text(), (error) => error.name)"""


def test_fetch_of_another_origin_is_answered_its_preflight(
    page: Page, server: ServerProcess, other: ServerProcess
) -> None:
    url = shared(other, "post", server)
    headers = {"authorization": "Bearer x", "last-event-id": "7"}
    headers["content-type"] = "application/json"
    text = page.evaluate(ASK, [url, headers])
    assert "data: none {}\n" in text
    assert [request["method"] for request in requests(other, "post")] == ["OPTIONS", "POST"]
    assert page.evaluate(ASK, [url, {"x-other": "1"}]) == "TypeError"
    assert page.evaluate(ASK, [shared(other, "post", other), headers]) == "TypeError"


# -- HTTP/2 ----------------------------------------------------------------------------------------


@pytest.mark.needs("hypercorn", "h2", "openssl")
def test_http2_has_room_for_twenty_streams_and_more_requests(
    browser: Browser, secure: ServerProcess
) -> None:
    address = f"https://127.0.0.1:{secure.port}/"
    with opened(browser, address, ignore_https_errors=True) as page:
        page.evaluate("() => { for (let n = 0; n < 20; n++) new EventSource(`/pinged?key=${n}`); }")
        wait(page, f"() => ({OPEN})() === 20")
        protocol = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert page.evaluate(protocol) == "h2"
        assert page.evaluate("() => fetch('/').then((answer) => answer.status)") == 200


def test_native_eventsource_stays_away_when_its_token_has_expired(
    page: Page, server: ServerProcess
) -> None:
    page.evaluate("() => follow(new EventSource('/token?key=token&token=a'), 'tick', 'expired')")
    wait(page, "() => streams[0].readyState === EventSource.CLOSED")
    *numbers, last = page.evaluate("seen")
    assert is_consecutive(numbers)
    assert json.loads(last) == {"reason": "expired"}
    page.wait_for_timeout(500)
    assert len(requests(server, "token")) == 2


def test_page_that_gets_a_new_token_comes_back_without_a_hole(page: Page) -> None:
    page.evaluate(
        """() => {
            const open = (token, last) => {
                const query = last ? `&last_event_id=${last}` : "";
                const source = new EventSource(`/token?token=${token}${query}`);
                source.addEventListener("tick", (event) => {
                    last = event.lastEventId;
                    seen.push(event.data);
                });
                source.addEventListener("expired", () => {
                    source.close();
                    open(`${token}+`, last);
                });
            };
            open("b");
        }"""
    )
    wait(page, "() => streams.length === 3 && streams[2].readyState === 1")
    wait(page, "(count) => seen.length > count + 3", page.evaluate("seen.length"))
    assert is_consecutive(page.evaluate("seen"))
