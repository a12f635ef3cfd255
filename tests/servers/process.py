"""A server in a process group of its own, which never outlives its test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Self

from .response import TIMEOUT

__all__ = ["ROOT", "ServerProcess", "free_port"]

ROOT = Path(__file__).parent.parent.parent
POLL = 0.01


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def default_signals() -> None:
    """Give a process that begins the signals' default actions, as a terminal does.

    A shell's background job, and all that it starts, would ignore SIGINT otherwise.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class ServerProcess:
    """A Python process that serves on ``port`` and writes all it has to say into ``log``."""

    def __init__(
        self,
        arguments: Sequence[str],
        port: int,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._log = log
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        inherited = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            # Each process that has inherited the output holds the lock: see wait_gone.
            flock(output, LOCK_EX)
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=log.parent,
                env={**inherited, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=default_signals,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def returncode(self) -> int | None:
        """The exit status of the process, as :mod:`subprocess` gives it; None while it runs."""
        return self._process.poll()

    def wait_ready(self, probe: bytes, timeout: float = TIMEOUT) -> None:
        """Wait until ``probe``, the first bytes of a client, is answered, whatever the answer.

        A connection alone proves nothing: the kernel accepts it for a worker that still starts.

        :raises RuntimeError: the process has ended
        :raises TimeoutError: there is no answer in time
        """
        deadline = time.monotonic() + timeout
        while not self._answers(probe, deadline):
            if self.returncode is not None:
                raise RuntimeError(f"the server ended with {self.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server does not answer:\n{self.log}")
            time.sleep(POLL)

    def _answers(self, probe: bytes, deadline: float) -> bool:
        left = max(deadline - time.monotonic(), POLL)
        try:
            with socket.create_connection(("127.0.0.1", self.port), left) as connection:
                connection.sendall(probe)
                return bool(connection.recv(1))
        except OSError:
            return False

    def wait_log(self, text: str, timeout: float = TIMEOUT, *, times: int = 1) -> None:
        """Wait until the server has written ``text``, so many times.

        :raises TimeoutError: it has not in time
        """
        deadline = time.monotonic() + timeout
        while self.log.count(text) < times:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in the log:\n{self.log}")
            time.sleep(POLL)

    def signal(self, number: signal.Signals, *, to_group: bool = False) -> None:
        """Send a signal to the process, or to its whole group as a terminal does for Ctrl-C."""
        if to_group:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for the process to end and return its exit status.

        :raises TimeoutError: it has not ended in time
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the server still runs:\n{self.log}") from None

    def wait_gone(self, timeout: float = TIMEOUT) -> None:
        """Wait for the end of the process and of every worker that it started.

        :raises TimeoutError: one has not ended in time
        """
        deadline = time.monotonic() + timeout
        self.wait(timeout)
        with self._log.open("rb") as log:
            while True:
                with suppress(BlockingIOError):
                    return flock(log, LOCK_EX | LOCK_NB)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"a worker still runs:\n{self.log}")
                time.sleep(POLL)

    def kill(self) -> None:
        """Kill the process and every worker that it started, if any is left."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait_gone()
