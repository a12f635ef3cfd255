"""A browser of any engine: tabs, and what the tests ask of them."""

from __future__ import annotations

import json
from typing import Any, Protocol

__all__ = ["SECONDS", "Engine", "Page", "Tab"]

SECONDS = 20.0
"""How long a page may take for each thing."""

# The page waits by itself: a question from outside for each look would slow it down.
_WAIT = """async (...given) => {{
    const holds = {condition}, until = performance.now() + {milliseconds};
    for (;;) {{
        const value = await holds(...given);
        if (value) return value;
        if (performance.now() > until) throw new Error(`never: ${{holds}}; seen ${{[...seen]}}`);
        await new Promise((turn) => setTimeout(turn, 20));
    }}
}}"""

_PRELUDE = """() => {
    window.streams = [];
    window.seen = [];
    window.states = [];
    const Native = EventSource;
    window.EventSource = class extends Native {
        constructor(...given) { super(...given); window.streams.push(this); }
    };
    window.follow = (source, ...names) => {
        const take = (event) => window.seen.push(event.data);
        for (const name of names) source.addEventListener(name, take);
        for (const state of ["open", "error", "closed"])
            source.addEventListener(state, () => window.states.push(state));
        return source;
    };
}"""


class Tab(Protocol):
    """One tab, by the protocol that its browser speaks."""

    def goto(self, address: str) -> None:
        """Load a page."""

    def call(self, function: str, given: str) -> str:
        """Call a function of JavaScript with text, await its result, and return that text."""

    def back(self) -> None:
        """Go back to the page before."""

    def close(self) -> None:
        """Close the tab, as its user does."""


class Engine(Protocol):
    """A running browser."""

    keeps_pages: bool
    """Whether a page whose script closes its stream in time goes into the back/forward cache."""

    codings: frozenset[str]
    """The content codings that it asks a server on this machine for, over plain HTTP."""

    def open(self) -> Tab:
        """Open a tab; it shares cookies, locks and channels with the others."""


class Page:
    """A tab with a page, and a collection of what its streams bring."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def goto(self, address: str) -> None:
        """Load a page and begin to collect."""
        self._tab.goto(address)
        self.evaluate(_PRELUDE)

    def evaluate(self, function: str, *given: object) -> Any:
        """Call a function of JavaScript, await its result and return it."""
        called = (
            f"async (given) => JSON.stringify(await ({function})(...JSON.parse(given)) ?? null)"
        )
        return json.loads(self._tab.call(called, json.dumps(given)))

    def wait(self, condition: str, *given: object) -> Any:
        """Wait until a function returns a value that is true, and return that."""
        milliseconds = SECONDS * 1000
        return self.evaluate(_WAIT.format(condition=condition, milliseconds=milliseconds), *given)

    def back(self) -> None:
        """Go back to the page before."""
        self._tab.back()

    def close(self) -> None:
        """Close the tab."""
        self._tab.close()
