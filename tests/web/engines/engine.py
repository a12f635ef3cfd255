"""One protocol for three browsers, and a page that tests steer the same way in each of them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tests.web.browser import PRELUDE, TIMEOUT

from .chromium import chromium
from .firefox import firefox
from .webkit import webkit

__all__ = ["ENGINES", "KILLABLE", "Engine", "Page", "Pages", "Tab", "running"]

ENGINES: Final = [
    pytest.param("chromium", marks=pytest.mark.needs("chromium", "playwright")),
    pytest.param("firefox", marks=pytest.mark.needs("firefox-esr", "websockets")),
    pytest.param("webkit", marks=pytest.mark.needs("WebKitWebDriver", "Xvfb")),
]
"""The names of the engines, for ``pytest.mark.parametrize`` or a fixture's ``params``."""

KILLABLE: Final = ENGINES[:2]
"""Those whose tabs can be killed: WebKit's driver ends its session with the first that is."""

_POLL: Final = 0.02
# A script is an expression, or a function of one argument: as Playwright has it.
_CALL: Final = """async (given) => {
    const script = (%s);
    const value = typeof script === "function" ? await script(JSON.parse(given)) : await script;
    return JSON.stringify(value ?? null);
}"""
_KEEP_BUSY: Final = "() => { for (const end = performance.now() + 300; performance.now() < end;); }"


class Tab(Protocol):
    """The part of a tab that is another one in each engine."""

    def call(self, function: str, argument: str) -> str:
        """Call an asynchronous JavaScript function of a string, and return its string."""

    def go(self, address: str) -> None:
        """Load an address."""

    def back(self) -> None:
        """Go back in the history."""

    def close(self) -> None:
        """Close the tab."""


class Engine(Protocol):
    """A browser that runs."""

    name: str
    pid: int
    """The process that all of the browser's processes descend from."""

    def open(self) -> Tab:
        """Open a tab."""


class Page:
    """A page in a tab: it has what ``PRELUDE`` gives, whatever the engine."""

    def __init__(self, engine: Engine, tab: Tab) -> None:
        self.engine = engine
        self._tab = tab
        self._is_open = True

    def go(self, address: str) -> None:
        """Load an address."""
        self._tab.go(address)
        self.evaluate(f"() => {{ {PRELUDE} }}")

    def back(self) -> None:
        """Go back in the history."""
        self._tab.back()

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Return what a JavaScript expression is, or what a function of one argument returns."""
        return json.loads(self._tab.call(_CALL % script, json.dumps(argument)))

    def wait(self, script: str, argument: Any = None) -> Any:
        """Wait until a script gives what JavaScript takes for true, and return it.

        :raises TimeoutError: it does not in time
        """
        deadline = time.monotonic() + TIMEOUT / 1000
        test = f"""async (argument) => {{
            const script = ({script});
            const value = await (typeof script === "function" ? script(argument) : script);
            return [Boolean(value), value];
        }}"""
        while True:
            holds, value = self.evaluate(test, argument)
            if holds:
                return value
            if time.monotonic() > deadline:
                state = self.evaluate("[window.states, window.seen?.slice(-20)]")
                raise TimeoutError(f"{self.engine.name}: not {script}; states, seen: {state}")
            time.sleep(_POLL)

    def close(self) -> None:
        """Close the tab, if it is open."""
        if self._is_open:
            self._is_open = False
            self._tab.close()

    def kill(self) -> None:
        """Kill the process of the page, which is the one that works while the page does."""
        before = _cpu_times(self.engine.pid)
        self.evaluate(_KEEP_BUSY)
        after = _cpu_times(self.engine.pid)
        pid = max(after, key=lambda pid: after[pid] - before.get(pid, 0))
        self._is_open = False
        os.kill(pid, signal.SIGKILL)


class Pages:
    """All pages of a test, in one browser."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._pages: list[Page] = []

    def open(self, address: str) -> Page:
        """Open an address in a new tab."""
        page = Page(self.engine, self.engine.open())
        self._pages.append(page)
        page.go(address)
        return page

    def close(self) -> None:
        """Close the tabs that are open."""
        for page in self._pages:
            page.close()


def running(name: str, directory: Path) -> AbstractContextManager[Engine]:
    """Run the engine of this name, which keeps its files in an empty directory."""
    engines: dict[str, Callable[[Path], AbstractContextManager[Engine]]]
    engines = {"chromium": chromium, "firefox": firefox, "webkit": webkit}
    return engines[name](directory)


def _cpu_times(root: int) -> dict[int, int]:
    """Return the ticks of processor time of all processes that descend from one, but of itself."""
    parents, times = dict[int, int](), dict[int, int]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, fields = int(path.parent.name), path.read_text().rpartition(") ")[2].split()
            parents[pid], times[pid] = int(fields[1]), int(fields[11])
    return {pid: ticks for pid, ticks in times.items() if root in _ancestors(pid, parents)}


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid
