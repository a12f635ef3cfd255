"""A proxy in front of a port: its configuration with other ports, and its process.

A configuration is a file of ``newcomers`` (the least that passes requests on), or one of
``examples/deployment``. Both name the same ports in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from signal import Signals

from tests.servers.http1 import PROBE
from tests.servers.process import ROOT, ServerProcess, free_port
from tests.web.app import PING
from tests.web.proxies import EXECUTE

__all__ = ["Edit", "Flow", "Front", "Proxy"]

NEWCOMERS = Path(__file__).parent / "newcomers"
DEPLOYMENT = ROOT / "examples" / "deployment"

Edit = tuple[str, str]
"""A text that the configuration has once, and the text that replaces it; no text is the end."""


class Flow(Enum):
    """How events pass a proxy."""

    LIVE = "live"
    LATE = "late"
    """Each event arrives 0.2 s after it was sent."""
    HELD = "held"
    """No event arrives before the stream ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One proxy, with the facts that the guide tells of it.

    :param command: what runs it; ``{file}``, ``{home}`` and ``{port}`` are filled in
    :param listens: the text for port 8080, and for ``{port}``
    :param forwards: the text for the application's port 8000, and for ``{upstream}``
    :param wrapped: a configuration that includes the file, where the file is only a part
    :param own: edits that keep the process to its folder
    :param environment: variables of the process
    :param flow: how events pass with the newcomer's file
    :param raw: the same for a stream without the headers of this library
    :param pings: how many pings it takes until the application knows that a client left, where
        events are not held back
    :param reload: the signal that has the proxy read its file again; None: there is none
    :param impatient: has the proxy cut a stream after a second of silence
    :param compressing: has the proxy compress event streams
    :param coding: the coding in which events pass then, with the newcomer's file; None: they are
        held back
    :param http2: has the proxy speak HTTP/2 without TLS, where it does not by itself; None: it
        cannot
    """

    name: str
    needs: str
    newcomer: str
    deployed: str | None
    command: Sequence[str]
    listens: Edit | None
    forwards: Edit
    wrapped: str | None = None
    own: Sequence[Edit] = ()
    environment: Mapping[str, str] | None = None
    flow: Flow = Flow.LIVE
    raw: Flow = Flow.LIVE
    pings: int = 2
    reload: Signals | None = None
    impatient: Edit | None = None
    compressing: Edit | None = None
    coding: str | None = "identity"
    http2: Sequence[Edit] | None = ()

    @property
    def notice(self) -> float:
        """The seconds within which the application knows that a client left, on a busy machine."""
        return self.pings * PING + 1 if self.pings else 0.5

    def __str__(self) -> str:
        """Return the name, for the name of a test."""
        return self.name


class Front:
    """A proxy that can run in front of a port, again and again on the same port of its own."""

    def __init__(
        self,
        proxy: Proxy,
        upstream: int,
        directory: Path,
        *edits: Edit,
        deployed: bool = False,
    ) -> None:
        self.proxy, self.port = proxy, free_port()
        home = directory / f"{proxy.name}-{self.port}"
        home.mkdir()
        # Some proxies give up the rights of root before they read in their folder.
        home.chmod(0o777)
        self._given = {"{home}": str(home), "{port}": str(self.port), "{upstream}": str(upstream)}
        folder = DEPLOYMENT if deployed else NEWCOMERS
        name = proxy.deployed if deployed else proxy.newcomer
        assert name is not None
        addresses = filter(None, (proxy.listens, proxy.forwards))
        text = (folder / name).read_text("utf-8")
        for given, wanted in (*edits, *proxy.own, *addresses):
            assert not given or text.count(given) == 1, f"{name} has not one {given!r}"
            wanted = self._fill(wanted)
            text = text.replace(given, wanted) if given else text + wanted
        file = home / name
        file.write_text(text, "utf-8")
        self._given["{file}"] = str(file)
        if proxy.wrapped is not None:
            file = home / "main.conf"
            file.write_text(self._fill(proxy.wrapped), "utf-8")
            self._given["{file}"] = str(file)
        self.command = [self._fill(word) for word in proxy.command]
        self._environment = {
            name: self._fill(value) for name, value in (proxy.environment or {}).items()
        }
        self._log = home / "log"

    def _fill(self, text: str) -> str:
        for name, value in self._given.items():
            text = text.replace(name, value)
        return text

    @contextmanager
    def running(self) -> Iterator[ServerProcess]:
        """Run the proxy until the block ends; it is killed then.

        :raises RuntimeError: the proxy ended before it answered
        """
        arguments = (*EXECUTE, *self.command)
        with ServerProcess(arguments, self.port, self._log, self._environment) as process:
            process.wait_ready(PROBE)
            yield process
