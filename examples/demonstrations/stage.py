# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""The stage of the demonstrations: a real server in another process, and clients that read it.

A demonstration is one file with both parts: the application, which :func:`serving` runs with
uvicorn in a new process, and the clients, which print each step in words.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread

import httpx
import uvicorn

from sse_asgi import EventDecoder, MessageEvent

PATIENCE = 30.0
"""Seconds after which a demonstration that still waits has failed."""


class Server:
    """A server in another process, and the lines that it prints."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self._lines: list[str] = []
        self._changed = Condition()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._changed:
                self._lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> list[str]:
        """Wait until the server has printed so many lines with ``text``, and return these."""

        def found() -> list[str]:
            return [line for line in self._lines if text in line]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= times, PATIENCE):
                raise TimeoutError(f"the server has not printed {text!r}: {self._lines}")
            return found()

    def stop(self) -> float:
        """Send SIGTERM, wait for the end of the process, and return the seconds that it took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - begin


@contextmanager
def serving(app: str) -> Iterator[Server]:
    """Serve ``app``, such as ``"load:app"``, on a free port until the block ends."""
    # The server inherits a socket that listens already, so clients need not wait for the server.
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        number = listener.fileno()
        command = [sys.executable, __file__, app, str(number)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, pass_fds=[number], start_new_session=True
        )
    try:
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def open_socket(url: str, path: str) -> socket.socket:
    """Request a stream on a plain socket, and return the socket once the first bytes are there."""
    address = httpx.URL(url)
    client = socket.create_connection((address.host, address.port or 80), PATIENCE)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.host}\r\n\r\n".encode())
    client.recv(1024)
    return client


async def read_events(
    client: httpx.AsyncClient, url: str, last_event_id: str = ""
) -> AsyncGenerator[MessageEvent, None]:
    """Yield the events of one response, until it ends."""
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    async with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        decoder = EventDecoder(last_event_id=last_event_id)
        async for part in response.aiter_raw():
            for event in decoder.feed(part):
                yield event


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def run_server(app: str, number: str) -> None:
    """Serve ``app`` on the socket that the demonstration has opened."""
    sys.path.insert(0, str(Path(__file__).parent))
    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=60, backlog=1024)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(number))])


if __name__ == "__main__":
    run_server(*sys.argv[1:])
