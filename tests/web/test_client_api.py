"""The client script beside the browser's EventSource: what a page sees of both is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.process import ServerProcess

from .browser import opened, wait

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

KINDS = ["EventSource", "SteadyEventSource"]

MAKE = """async ([kind, url, options]) => {
    const { SteadyEventSource } = await import("/sse.js");
    window.source = new ({ EventSource, SteadyEventSource })[kind](url, options);
    window.log = [];
    for (const type of ["open", "message", "error"])
        source[`on${type}`] = function ({ data, lastEventId, origin }) {
            if (this !== source) throw new Error("another this");
            log.push([type, source.readyState, data ?? null, lastEventId ?? null, origin ?? null]);
        };
    for (const type of ["closed", "gap"])
        source.addEventListener(type, ({ data }) => data && log.push([type, data]));
}"""


def both(browser: Browser, server: ServerProcess, run: Callable[[Page, str], Any]) -> list[Any]:
    """Return what ``run`` returns for the browser's class and for ours, each in a new page."""
    results = []
    for kind in KINDS:
        with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
            results.append(run(page, kind))
    return results


def test_handlers_states_and_events_are_those_of_an_event_source(
    browser: Browser, server: ServerProcess
) -> None:
    def run(page: Page, kind: str) -> Any:
        page.evaluate(MAKE, [kind, "orders", {"withCredentials": True}])
        constant = "[source.CONNECTING, source.OPEN, source.CLOSED, source.constructor.CLOSED]"
        shape = [page.evaluate(f"[...{constant}, source.url, source.withCredentials]")]
        shape.append(wait(page, "() => log.length >= 5 && log"))
        shape.append(page.evaluate("(source.close(), [source.readyState, log.length])"))
        return shape

    native, ours = both(browser, server, run)
    assert ours == native
    assert ["closed", "order 7"] in ours[1]


def test_refusal_is_the_error_event_of_an_event_source(
    browser: Browser, server: ServerProcess
) -> None:
    def run(page: Page, kind: str) -> Any:
        page.evaluate(MAKE, [kind, "/nothing-here", {}])
        return wait(page, "() => log.length && log")

    native, ours = both(browser, server, run)
    assert ours == native == [["error", 2, None, None, None]]


def test_handler_keeps_its_place_and_may_be_taken_back(
    browser: Browser, server: ServerProcess
) -> None:
    script = """async (kind) => {
        const { SteadyEventSource } = await import("/sse.js");
        const source = new ({ EventSource, SteadyEventSource })[kind]("/silent"), log = [];
        const turn = () => { source.dispatchEvent(new MessageEvent("message")); log.push("/"); };
        source.addEventListener("message", () => log.push("a"));
        log.push(source.onmessage);
        source.onmessage = () => log.push("b");
        source.addEventListener("message", () => log.push("c"));
        turn();
        source.onmessage = () => log.push("d");
        turn();
        source.onmessage = "no function";
        log.push(source.onmessage);
        turn();
        source.close();
        return log;
    }"""
    native, ours = both(browser, server, lambda page, kind: page.evaluate(script, kind))
    assert ours == native == [None, *"abc/", *"adc/", None, *"ac/"]


def test_address_that_is_none_is_a_syntax_error(browser: Browser, server: ServerProcess) -> None:
    script = """async (kind) => {
        const { SteadyEventSource } = await import("/sse.js");
        try { new ({ EventSource, SteadyEventSource })[kind]("http://[") }
        catch (error) { return [error.name, error instanceof DOMException]; }
    }"""
    native, ours = both(browser, server, lambda page, kind: page.evaluate(script, kind))
    assert ours == native == ["SyntaxError", True]


def test_format_is_read_as_the_browser_reads_it(browser: Browser, server: ServerProcess) -> None:
    def run(page: Page, kind: str) -> Any:
        page.evaluate(MAKE, [kind, f"/torn?key=torn-{kind}", {}])
        found = wait(page, "() => log.some(([type]) => type === 'error') && log")
        page.evaluate("source.close()")
        return found

    native, ours = both(browser, server, run)
    assert ours == native
    assert len(ours) > 10


def test_types_declare_what_the_class_has(browser: Browser, server: ServerProcess) -> None:
    text = files("sse_asgi.web").joinpath("client.d.ts").read_text()
    declared = text[text.index("export declare class") :]
    names = set(re.findall(r"^  (?:static )?(?:readonly )?(\w+)[(<:]", declared, re.MULTILINE))
    script = """async () => {
        const { SteadyEventSource } = await import("/sse.js");
        return Object.getOwnPropertyNames(SteadyEventSource.prototype);
    }"""
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        assert names - {"addEventListener", "removeEventListener"} == set(page.evaluate(script))


@pytest.mark.parametrize("url", ["about:blank", "mailto:me@example.org", "javascript:alert()"])
def test_address_that_no_request_can_have_is_closed(
    browser: Browser, server: ServerProcess, url: str
) -> None:
    def run(page: Page, kind: str) -> Any:
        page.evaluate(MAKE, [kind, url, {}])
        return wait(page, "() => log.length && log")

    native, ours = both(browser, server, run)
    assert ours == native == [["error", 2, None, None, None]]


def test_reason_of_a_closed_address_is_its_scheme(browser: Browser, server: ServerProcess) -> None:
    script = """async () => {
        const { SteadyEventSource } = await import("/sse.js");
        const source = new SteadyEventSource("about:blank");
        return new Promise((done) => {
            source.addEventListener("closed", ({ detail }) => done(detail));
        });
    }"""
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        assert page.evaluate(script) == {"status": 0, "reason": "scheme"}


def test_interface_is_that_of_an_event_source(browser: Browser, server: ServerProcess) -> None:
    script = """async (kind) => {
        const { SteadyEventSource } = await import("/sse.js");
        const Source = { EventSource: Object.getPrototypeOf(EventSource), SteadyEventSource }[kind];
        const source = new Source("/silent", null), names = [], handler = {};
        source.close();
        for (const name in source) names.push(name);
        source.onopen = source.onmessage = handler;  // WHATWG HTML 8.1.8.1 keeps any object
        source.dispatchEvent(new MessageEvent("message"));
        let refused = "";
        try { new Source() } catch (error) { refused = error.name; }
        return [
            names.sort(), Source.length, refused, source.onopen === handler, source.onerror,
            String(source) === `[object ${kind}]`,
        ];
    }"""
    native, ours = both(browser, server, lambda page, kind: page.evaluate(script, kind))
    assert ours == native
    assert ours[1:] == [1, "TypeError", True, None, True]
