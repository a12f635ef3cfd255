"""Firefox, steered by its own WebDriver BiDi (W3C), which wants no driver beside it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.web.browser import TIMEOUT

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["firefox"]

_START: Final = 60
"""Seconds until the browser listens, on a machine that has other work."""

# What a fresh profile would fetch, and more processes for tabs of one site: a test may kill one.
_PREFERENCES: Final = """
user_pref("app.normandy.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.ipc.processCount.webIsolated", 40);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.proxy.type", 0);
user_pref("nimbus.rollouts.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
"""


class _Session:
    """Commands and their answers, one at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(message))
        answer: dict[str, Any] = {}
        while answer.get("id") != number:
            answer = json.loads(self._connection.recv(timeout=_START))
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result


class _Tab:
    def __init__(self, session: _Session, context: str) -> None:
        self._session = session
        self._context = context

    def call(self, function: str, argument: str) -> str:
        answer = self._session.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": argument}],
            awaitPromise=True,
            target={"context": self._context},
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        value: str = answer["result"]["value"]
        return value

    def go(self, address: str) -> None:
        self._session.command(
            "browsingContext.navigate", context=self._context, url=address, wait="complete"
        )

    def back(self) -> None:
        self._session.command("browsingContext.traverseHistory", context=self._context, delta=-1)

    def close(self) -> None:
        self._session.command("browsingContext.close", context=self._context)


class _Firefox:
    name = "firefox"

    def __init__(self, pid: int, session: _Session) -> None:
        self.pid = pid
        self._session = session

    def open(self) -> _Tab:
        return _Tab(
            self._session, self._session.command("browsingContext.create", type="tab")["context"]
        )


@contextmanager
def firefox(directory: Path) -> Iterator[_Firefox]:
    """Run a headless Firefox with a profile in an empty directory."""
    from websockets.sync.client import connect

    profile, log = directory / "profile", directory / "firefox.log"
    profile.mkdir()
    (profile / "user.js").write_text(_PREFERENCES)
    command = ["firefox-esr", "--headless", "--no-remote", "--remote-debugging-port=0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--profile", str(profile), "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"{_address(process, log)}/session"
        with connect(address, max_size=None, open_timeout=TIMEOUT / 1000) as connection:
            session = _Session(connection)
            capabilities = {"alwaysMatch": {"acceptInsecureCerts": True}}
            session.command("session.new", capabilities=capabilities)
            yield _Firefox(process.pid, session)
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until Firefox says where it listens."""
    deadline = time.monotonic() + _START
    while not (found := re.search(r"ws://\S+", text := log.read_text("utf-8", "replace"))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Firefox does not listen:\n{text}")
        time.sleep(0.05)
    return found[0]
