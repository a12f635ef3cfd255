"""WebKit (WebKitGTK's MiniBrowser), by WebDriver, on a virtual display."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.servers.process import free_port

from .engine import SECONDS, Engine, Tab

__all__ = ["webkit"]

_CALL = """
const done = arguments[arguments.length - 1];
(%s)(arguments[0]).then((text) => done({ text }), (error) => done({ error: String(error) }));
"""


class _WebKit:
    """One session of WebDriver (W3C)."""

    keeps_pages = True
    codings = frozenset({"gzip"})

    def __init__(self, port: int, browser: Path) -> None:
        self._port = port
        self._path = ""
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"acceptInsecureCerts": True, "webkitgtk:browserOptions": options}
        answer = self.command("/session", capabilities={"alwaysMatch": wanted})
        self._path = f"/session/{answer['sessionId']}"
        self.command("/timeouts", script=2000 * SECONDS)
        self._first = self.command("/window", "GET")

    def command(self, path: str, method: str = "POST", **body: Any) -> Any:
        """Carry out a command and return its result."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=3 * SECONDS)
        try:
            connection.request(method, self._path + path, json.dumps(body))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{path}: {value['error']}: {value.get('message')}")
        return value

    def open(self) -> Tab:
        self.command("/window", handle=self._first)  # the one before may be closed
        return _Tab(self, self.command("/window/new", type="tab")["handle"])


class _Tab:
    def __init__(self, browser: _WebKit, name: str) -> None:
        self._browser = browser
        self._name = name

    def goto(self, address: str) -> None:
        self._command("/url", url=address)

    def call(self, function: str, given: str) -> str:
        answer = self._command("/execute/async", script=_CALL % function, args=[given])
        return str(answer["text"])

    def back(self) -> None:
        self._command("/back")

    def close(self) -> None:
        self._command("/window", "DELETE")

    def _command(self, path: str, method: str = "POST", **body: Any) -> Any:
        self._browser.command("/window", handle=self._name)
        return self._browser.command(path, method, **body)


@contextmanager
def webkit() -> Iterator[Engine]:
    """Run WebKitGTK's small browser."""
    browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    port = free_port()
    with _display() as display, TemporaryDirectory(ignore_cleanup_errors=True) as home:
        environment = {**os.environ, "DISPLAY": display, "GDK_BACKEND": "x11", "HOME": home}
        driver = subprocess.Popen(
            ["WebKitWebDriver", f"--port={port}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            session = _WebKit(port, browser)
            yield session
            session.command("", "DELETE")
        finally:
            driver.terminate()
            driver.wait(SECONDS)


def _wait_for(port: int) -> None:
    """Wait until the driver listens."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise TimeoutError("WebKitWebDriver does not listen")


@contextmanager
def _display() -> Iterator[str]:
    """Run an X server without a screen, and yield the name of its display."""
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1024x768x24"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f":{server.stdout.readline().strip()}"
        finally:
            server.terminate()
