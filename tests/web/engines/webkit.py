"""WebKitGTK's MiniBrowser on a display of memory, steered over WebDriver (W3C)."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.servers.process import free_port
from tests.web.browser import TIMEOUT

__all__ = ["webkit"]

_BROWSERS: Final = "*/webkit2gtk-4.*/MiniBrowser"
_START: Final = 60
"""Seconds until a command is answered, on a machine that has other work."""

_EXECUTE: Final = """
const [given, done] = arguments;
(%s)(given).then((text) => done(["value", text]), (error) => done(["error", String(error)]));
"""


class _Driver:
    """The commands of WebDriver, over HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.session = ""

    def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_START)
        try:
            text = None if method == "GET" or method == "DELETE" else json.dumps(body or {})
            connection.request(method, f"/session{self.session}{path}", text)
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{path}: {answer['error']}: {answer['message']}")
        return answer

    def choose(self, window: str) -> None:
        self.command("POST", "/window", {"handle": window})


class _Tab:
    def __init__(self, driver: _Driver, window: str) -> None:
        self._driver = driver
        self._window = window

    def call(self, function: str, argument: str) -> str:
        self._driver.choose(self._window)
        body = {"script": _EXECUTE % function, "args": [argument]}
        kind, text = self._driver.command("POST", "/execute/async", body)
        if kind == "error":
            raise RuntimeError(text)
        return str(text)

    def go(self, address: str) -> None:
        self._driver.choose(self._window)
        self._driver.command("POST", "/url", {"url": address})

    def back(self) -> None:
        self._driver.choose(self._window)
        self._driver.command("POST", "/back")

    def close(self) -> None:
        self._driver.choose(self._window)
        self._driver.command("DELETE", "/window")


class _WebKit:
    name = "webkit"

    def __init__(self, pid: int, driver: _Driver) -> None:
        self.pid = pid
        self._driver = driver
        # The session ends with its last window.
        self._first = driver.command("GET", "/window")

    def open(self) -> _Tab:
        self._driver.choose(self._first)
        window = self._driver.command("POST", "/window/new", {"type": "tab"})["handle"]
        return _Tab(self._driver, window)


@contextmanager
def webkit(directory: Path) -> Iterator[_WebKit]:
    """Run WebKit's driver and its browser."""
    [browser, *_] = Path("/usr/lib").glob(_BROWSERS)
    with ExitStack() as stack:
        environment = {**os.environ, "DISPLAY": stack.enter_context(_display())}
        environment |= {"HOME": str(directory), "LIBGL_ALWAYS_SOFTWARE": "1"}
        port = free_port()
        command = ["WebKitWebDriver", f"--port={port}"]
        process = stack.enter_context(_process(command, env=environment))
        driver = _Driver(port)
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"acceptInsecureCerts": True, "webkitgtk:browserOptions": options}
        driver.session = f"/{_session(driver, wanted)}"
        yield _WebKit(process.pid, driver)
        driver.command("DELETE", "")


def _session(driver: _Driver, wanted: dict[str, Any]) -> str:
    """Return the ID of a new session, once the driver listens."""
    deadline = time.monotonic() + TIMEOUT / 1000
    while True:
        try:
            answer = driver.command("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return str(answer["sessionId"])


@contextmanager
def _display() -> Iterator[str]:
    """Run an X server that draws into memory, and yield its name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-nolisten"]
    with os.fdopen(reader) as answer, _process([*command, "tcp"], pass_fds=[writer]):
        os.close(writer)
        yield f":{answer.readline().strip()}"


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(_START)
