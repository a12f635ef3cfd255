"""The demo's page: complete in itself, readable, and true about its own code."""

from __future__ import annotations

import re
from html import unescape
from importlib.resources import files

import pytest

from sse_asgi.demo import hello, page
from sse_asgi.demo.guides import guides, links
from sse_asgi.demo.signal import Broadcast

STYLE = files("sse_asgi.demo").joinpath("assets", "style.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
# Text and what it stands on.
TEXTS = ("ink", "soft", "faint", "accent")
PAIRS = [(text, ground) for ground in ("paper", "card") for text in TEXTS]
PAIRS += [("on-accent", "accent"), ("accent", "wash")]


def luminance(colour: str) -> float:
    """Return the relative luminance that WCAG 2.2 defines."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def rendered() -> str:
    return page.render(guides=links(guides()), broadcast=Broadcast, hello=hello).decode()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_has_the_contrast_that_wcag_asks_for(
    colours: dict[str, str], text: str, ground: str
) -> None:
    lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


def test_highlighting_leaves_the_code_as_it_is() -> None:
    source = 'async def f(a: "<&>") -> None:  # é\n    x = f"{a!r:>{3}} {{}}", """\n"""; y = 1.5\n'
    html = page.highlight(source)
    assert text_of(html) == source
    assert '<span class="k">async</span>' in html
    assert '<span class="c"># é</span>' in html
    assert '<span class="n">1.5</span>' in html
    assert '<span class="s">&quot;&lt;&amp;&gt;&quot;</span>' in html


def test_the_page_shows_the_code_that_runs() -> None:
    text = text_of(rendered())
    assert "self.hub: Hub = Hub(MemoryBackend(max_events=600))" in text
    assert "last_event_id=connection.last_event_id" in text
    assert 'await self.hub.publish("signal", event)' in text
    assert "app: EventSourceApp = EventSourceApp(ticks)" in text


def test_a_source_without_its_place_is_refused() -> None:
    with pytest.raises(LookupError, match=r"page\.html has no place for other"):
        page.render(other=hello)


def test_nothing_is_left_to_fill_in_or_to_load() -> None:
    html = rendered()
    assert "{{ " not in html
    assert set(re.findall(r'\b(?:src|href)="([^"]*)"', html)) == {"favicon.ico", *guides()}
    assert not re.findall(r"@import|url\(|https?://", html)
