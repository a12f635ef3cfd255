"""The demo in a real browser: it moves, it is cut and resumes, it meets the connection limit.

Screenshots are kept in the directory that ``SSE_ASGI_ARTIFACTS`` names.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.process import ServerProcess
from tests.web.browser import chromium

from .process import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.needs("chromium", "playwright", "hypercorn"),
    pytest.mark.parts,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("browser"),
]

TIMEOUT = 15_000  # milliseconds for each condition
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 780}

# How many pixels of the chart have the accent's colour, and a sum that changes with any of them.
LOOK = """(canvas) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    const accent = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let coloured = 0, sum = 0;
    for (let i = 0; i < data.length; i += 4) {
        if (accent.every((part, at) => Math.abs(part - data[i + at]) < 12) && data[i + 3] > 200) {
            coloured += 1;
            sum = (sum * 31 + i) % 1000000007;
        }
    }
    return { coloured, sum };
}"""
# How many different pictures the chart shows in a second.
PICTURES = """(canvas) => new Promise((done) => {
    const seen = new Set(), begin = performance.now();
    const look = (now) => {
        seen.add(canvas.toDataURL());
        if (now - begin > 1000) done(seen.size); else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""


# Done when the chart has points of three seconds.
FULL = """() => new Promise((done) => {
    const look = () => signal.points.length > 30 ? done() : setTimeout(look, 20);
    look();
})"""


TILES = ("connections", "rate", "delay", "lost", "replayed")
# How the lines between the tiles are drawn.
BORDERS = """() => [...document.querySelectorAll(".tiles > div")]
    .map((tile) => getComputedStyle(tile)).filter((style) => style.borderLeftWidth !== "0px")
    .map((style) => style.borderLeftStyle)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ServerProcess]:
    """A running demo."""
    with running(tmp_path) as process:
        yield process


@contextmanager
def opened(
    browser: Browser, demo: ServerProcess, *, allow: str = "", **options: Any
) -> Iterator[Page]:
    """Open the demo's page and wait until it is live.

    Nothing may appear on its console but what matches ``allow``.
    """
    context = browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"http://127.0.0.1:{demo.port}/")
    expect_text(page, "#position", r"event [\d,]+")
    yield page
    context.close()
    assert [text for text in complaints if not (allow and re.match(allow, text))] == []


def expect_text(page: Page, selector: str, pattern: str) -> re.Match[str]:
    """Wait until the text of an element matches a pattern, and return the match."""
    from playwright.sync_api import expect

    whole = re.compile(rf"^{pattern}$")
    expect(page.locator(selector)).to_have_text(whole, timeout=TIMEOUT)
    match = whole.match(page.locator(selector).inner_text())
    assert match is not None
    return match


def keep(page: Page, name: str, directory: Path) -> None:
    """Keep a screenshot as an artifact of the test."""
    target = Path(os.environ.get("SSE_ASGI_ARTIFACTS") or directory)
    target.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target / f"demo-{name}.png", full_page=True)


def test_the_chart_moves_and_the_tiles_tell_the_truth(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo) as page:
        expect_text(page, "#connections", "2")  # the chart and the wire
        expect_text(page, "#rate", r"(1[5-9]|2[0-5])")
        assert float(expect_text(page, "#delay", r"([\d.]+)ms")[1]) < 1000
        chart = page.locator("#chart")
        first = chart.evaluate(LOOK)
        assert first["coloured"] > 500
        assert chart.evaluate(PICTURES) > 10
        assert chart.evaluate(LOOK)["sum"] != first["sum"]
        expect_text(page, "#lost", "0")
        keep(page, "light", tmp_path)


def test_a_cut_connection_resumes_with_nothing_lost(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo, color_scheme="dark") as page:
        page.click("#cut")
        pattern = r"Resumed after event ([\d,]+): (\d+) missed events replayed, 0 lost\."
        resumed = expect_text(page, "#message", pattern)
        assert int(resumed[2]) > 5
        expect_text(page, "#replayed", resumed[2])
        expect_text(page, "#lost", "0")
        expect_text(page, "#status", "Live")
        frames = page.locator("#frames")
        for part in ("retry: 1500", "Last-Event-ID: ", 'data: {"resumed":true,"missed":'):
            frames.filter(has_text=part).wait_for()
        keep(page, "dark", tmp_path)


def test_a_restarted_server_is_recognised(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo, allow="Failed to load resource: net::ERR_") as page:
        page.click("#cut")  # which also sets a short time to come back
        expect_text(page, "#message", "Resumed after .*")
        port = demo.port
        demo.kill()
        expect_text(page, "#status", "Reconnecting")
        with running(tmp_path, port):
            expect_text(page, "#message", "The server was restarted.*")
            expect_text(page, "#status", "Live")
            expect_text(page, "#lost", "0")


def test_every_page_comes_back_from_the_restart_that_one_asks_for(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo) as page, opened(browser, demo) as other:
        page.click("#restart")
        pattern = r"Resumed after event [\d,]+: [\d,]+ missed events? replayed, 0 lost\."
        expect_text(page, "#message", rf"The server is back\. {pattern}")
        expect_text(other, "#message", pattern)
        for view in (page, other):
            expect_text(view, "#status", "Live")
            expect_text(view, "#lost", "0")
        keep(page, "restart", tmp_path)


def test_a_client_that_stalls_is_ended_while_this_page_goes_on(
    browser: Browser, demo: ServerProcess
) -> None:
    with opened(browser, demo) as page:
        page.evaluate("""() => {
            window.chips = [];
            new MutationObserver(() => window.chips.push($("streams").textContent))
                .observe($("streams"), { childList: true });
        }""")
        page.click("#stall")
        ended = expect_text(
            page,
            "#message",
            r"The stalled client was ended as SLOW_CLIENT after its send_timeout of 3 s\."
            r" Meanwhile this page got ([\d,]+) events, 0 lost\.",
        )
        assert int(ended[1].replace(",", "")) > 10
        assert "chartwirestalled" in page.evaluate("window.chips")
        assert "stalled" not in page.inner_text("#streams")
        expect_text(page, "#status", "Live")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_wire_is_in_sight_and_tiles_say_so_while_the_stream_is_cut(
    browser: Browser, demo: ServerProcess, tmp_path: Path, viewport: Any
) -> None:
    with opened(browser, demo, viewport=viewport) as page:
        live = [page.inner_text(f"#{name}-note") for name in TILES]
        solid = page.evaluate(BORDERS)
        page.evaluate("""() => {
            source.close();
            source.onerror = null;
            setState("away", "Reconnecting");
        }""")
        for name in TILES:
            expect_text(page, f"#{name}-note", "cut: .*")
        assert not any("cut" in note for note in live)
        assert set(solid) == {"solid"} and set(page.evaluate(BORDERS)) == {"dashed"}
        assert page.evaluate("scrollY") == 0
        box = page.locator("#frames").bounding_box()
        assert box is not None
        seen = min(box["y"] + box["height"], viewport["height"]) - box["y"]
        assert seen > 100
        keep(page, f"cut-{viewport['width']}", tmp_path)
        page.evaluate("connect()")
        expect_text(page, "#rate-note", "to this page")


def test_a_gap_is_counted_by_the_positions_on_its_sides(
    browser: Browser, demo: ServerProcess
) -> None:
    with opened(browser, demo) as page:
        page.evaluate("""() => {
            source.close();
            const lastEventId = `${signal.last.epoch}-${signal.last.sequence + 7}`;
            const data = '{"reason":"expired","lost":null}';
            onGap(new MessageEvent("gap", { lastEventId, data }));
        }""")
        expect_text(page, "#message", r"Away for too long: the server no longer keeps 7 events.*")
        expect_text(page, "#lost", "7")


def test_four_more_connections_open_and_four_again_meet_the_limit_of_the_browser(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo) as page:
        page.click("#more")
        expect_text(page, "#connections", "5")
        expect_text(page, "#message", r"4 more open\. .* six connections: .*")
        expect_text(page, "#wire-note", "stepped aside for the others")
        page.click("#cut")
        expect_text(page, "#message", r"Resumed after event .*, 0 lost\.")
        page.click("#more")
        expect_text(page, "#connections", "6")
        expect_text(page, "#message", r"5 more open, 3 wait: .* six connections .*")
        keep(page, "limit", tmp_path)
        page.click("#fewer")
        expect_text(page, "#connections", "2")
        expect_text(page, "#wire-note", "a second stream, shown as it arrives")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_shows_everything_without_scrolling_sideways(
    browser: Browser, demo: ServerProcess, tmp_path: Path, scheme: str
) -> None:
    with opened(browser, demo, viewport=PHONE, color_scheme=scheme) as page:
        overflow = "() => document.documentElement.scrollWidth - innerWidth"
        assert page.evaluate(overflow) <= 0
        for name in ("Cut my connection", "Open 4 more", "A client that stalls", "Pause"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert box is not None
            assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        keep(page, f"narrow-{scheme}", tmp_path)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_each_target_is_large_enough_for_a_finger(
    browser: Browser, demo: ServerProcess, viewport: Any
) -> None:
    with opened(browser, demo, viewport=viewport) as page:
        boxes = page.evaluate("""() => [...document.querySelectorAll("button, a")].map((target) => {
            const { width, height } = target.getBoundingClientRect();
            return [target.textContent, width, height];
        })""")
        assert len(boxes) > 10
        assert [box for box in boxes if min(box[1:]) < 44] == []  # WCAG 2.2, 2.5.5


def test_number_of_lost_events_is_in_sight_on_a_phone(
    browser: Browser, demo: ServerProcess
) -> None:
    with opened(browser, demo, viewport=PHONE) as page:
        expect_text(page, "#kept", "0 lost")
        box = page.locator("#kept").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < PHONE["height"] / 4
        page.evaluate("signal.lost = 7")
        expect_text(page, "#kept", "7 lost")


def test_chart_is_told_in_words(browser: Browser, demo: ServerProcess) -> None:
    value = r"-?[01]\.\d\d"
    line = rf"from {value} to {value}, now {value}"
    with opened(browser, demo) as page:
        assert page.locator("#chart").get_attribute("aria-describedby") == "chart-text"
        page.click("#cut")
        expect_text(page, "#message", "Resumed after .*")
        expect_text(
            page,
            "#chart-text",
            rf"The last \d+ seconds: swell {line}; tide {line}; spray {line}\."
            r" [1-9]\d* events of these replayed, 0 holes in the lines\.",
        )


def test_chart_is_full_when_the_page_is_opened_again(browser: Browser, demo: ServerProcess) -> None:
    with opened(browser, demo) as page:
        page.evaluate(FULL)
        before = page.evaluate("signal.points[0].t")
        page.reload()
        begin = time.monotonic()
        page.evaluate(FULL)
        assert time.monotonic() - begin < 2  # the points themselves took more than three seconds
        assert page.evaluate("signal.points[0].t") == before
        assert page.evaluate("signal.points.length - signal.arrivals.length") >= 25
        assert float(expect_text(page, "#delay", r"([\d.]+)ms")[1]) < 1000
        expect_text(page, "#replayed", "0")


def test_legend_and_chart_are_told_apart_without_colours(
    browser: Browser, demo: ServerProcess, tmp_path: Path
) -> None:
    with opened(browser, demo, forced_colors="active") as page:
        lines = page.evaluate("""() => [...document.querySelectorAll(".legend i")].map((line) => {
            const { borderTopWidth, borderTopStyle, borderTopColor } = getComputedStyle(line);
            return [borderTopWidth, borderTopStyle, borderTopColor];
        })""")
        assert len({tuple(line[:2]) for line in lines}) == 3
        assert len({line[2] for line in lines}) == 3
        assert page.locator("#chart").evaluate(PICTURES) > 10
        button = page.evaluate("""() => {
            const { color, backgroundColor } = getComputedStyle(document.getElementById("cut"));
            return [color, backgroundColor];
        }""")
        assert button[0] != button[1]
        colours = page.evaluate("view.colours")
        assert colours["ink"] != colours["card"]
        keep(page, "forced", tmp_path)


def test_who_prefers_reduced_motion_sees_a_still_chart(
    browser: Browser, demo: ServerProcess
) -> None:
    with opened(browser, demo, reduced_motion="reduce") as page:
        assert page.locator("#chart").evaluate(PICTURES) <= 3


def test_the_view_can_be_paused_while_the_stream_goes_on(
    browser: Browser, demo: ServerProcess
) -> None:
    with opened(browser, demo) as page:
        page.focus("#hold")
        page.keyboard.press("Enter")
        expect_text(page, "#hold", "Go on")
        assert page.locator("#chart").evaluate(PICTURES) <= 2
        before = expect_text(page, "#position", r"event ([\d,]+)")[1]
        expect_text(page, "#position", rf"event (?!{before}$)[\d,]+")
        page.keyboard.press("Enter")
        assert page.locator("#chart").evaluate(PICTURES) > 10
