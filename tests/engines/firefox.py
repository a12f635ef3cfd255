"""Firefox (Gecko), by WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .engine import SECONDS, Engine, Tab

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["firefox"]

# A browser of a test asks nobody else for anything.
_SETTINGS = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
}
_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class _Firefox:
    """One session of WebDriver BiDi (W3C)."""

    keeps_pages = False  # it looks for open requests before it tells the page
    codings = frozenset({"gzip", "br", "zstd"})

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count()
        self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})

    def command(self, method: str, **params: Any) -> Any:
        """Carry out a command and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(2 * SECONDS))).get("id") != number:
            pass  # an event of the protocol
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['message']}")
        return answer["result"]

    def open(self) -> Tab:
        return _Tab(self, self.command("browsingContext.create", type="tab")["context"])


class _Tab:
    def __init__(self, browser: _Firefox, name: str) -> None:
        self._browser = browser
        self._name = name

    def goto(self, address: str) -> None:
        self._browser.command(
            "browsingContext.navigate", context=self._name, url=address, wait="complete"
        )

    def call(self, function: str, given: str) -> str:
        answer = self._browser.command(
            "script.callFunction",
            functionDeclaration=function,
            awaitPromise=True,
            target={"context": self._name},
            arguments=[{"type": "string", "value": given}],
        )
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return str(answer["result"]["value"])

    def back(self) -> None:
        self._browser.command("browsingContext.traverseHistory", context=self._name, delta=-1)

    def close(self) -> None:
        self._browser.command("browsingContext.close", context=self._name)


@contextmanager
def firefox() -> Iterator[Engine]:
    """Run a headless Firefox, with a profile of its own."""
    from websockets.sync.client import connect

    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _SETTINGS.items()]
        Path(profile, "user.js").write_text("".join(lines), "utf-8")
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile]
        process = subprocess.Popen(
            [*command, "--remote-debugging-port", "0"],
            env={**os.environ, "HOME": profile},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with connect(f"{_address(process)}/session", proxy=None, max_size=None) as socket:
                yield _Firefox(socket)
        finally:
            process.kill()
            process.communicate(timeout=SECONDS)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if found := _ADDRESS.search(line):
            return found[1]
        said.append(line)
    raise RuntimeError(f"Firefox ended: {''.join(said)}")
