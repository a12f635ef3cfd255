"""Many real clients that come back as an ``EventSource`` does, and a server that is restarted."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM

import anyio
from anyio.abc import SocketStream

from sse_asgi import Connection, EventDecoder, EventSourceApp
from tests.servers.http1 import PROBE
from tests.servers.process import ServerProcess, free_port

__all__ = ["FAREWELL", "Seen", "app", "restarted"]

FAREWELL = (300, 2000)

_REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


async def silent(connection: Connection) -> AsyncIterator[str]:
    """Send nothing."""
    await anyio.sleep_forever()
    yield "never"


app = EventSourceApp(silent, start_timeout=0, farewell_retry=FAREWELL)


@dataclass(slots=True)
class Seen:
    """What the clients have seen of one restart.

    :param ended_at: when the first stream ended
    :param restart: seconds from then to the first answer of the new server
    :param retries: the reconnection times that the clients were told, in seconds
    :param outages: seconds without a stream, of each client
    :param tries: connections that were tried
    """

    ended_at: float = math.inf
    restart: float = 0.0
    retries: list[float] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    tries: int = 0


async def restarted(clients: int, directory: Path) -> Seen:
    """Return what so many clients see while the server is stopped and started again."""
    seen, port = Seen(), free_port()
    opened = anyio.Semaphore(0)
    async with anyio.create_task_group() as tasks:
        with _server(port, directory / "first.log") as first:
            for _ in range(clients):
                tasks.start_soon(_follow, port, seen, opened)
            for _ in range(clients):
                await opened.acquire()
            first.signal(SIGTERM)
            await anyio.to_thread.run_sync(first.wait_gone)
        with _server(port, directory / "second.log", seen):
            for _ in range(clients):
                await opened.acquire()
        tasks.cancel_scope.cancel()
    return seen


@contextmanager
def _server(port: int, log: Path, seen: Seen | None = None) -> Iterator[ServerProcess]:
    command = ("-m", "uvicorn", "--port", str(port), "--log-level", "warning", f"{__name__}:app")
    with ServerProcess(command, port, log) as process:
        process.wait_ready(PROBE)
        if seen is not None:
            seen.restart = time.monotonic() - seen.ended_at
        yield process


async def _follow(port: int, seen: Seen, opened: anyio.Semaphore) -> None:
    """Follow the stream, and come back to it once."""
    retry, left = 3.0, 0.0
    for turn in range(2):
        stream = await _connected(port, retry, seen if turn else None)
        async with stream:
            decoder = EventDecoder()
            head = await stream.receive()
            if turn:
                seen.outages.append(time.monotonic() - left)
            opened.release()
            decoder.feed(head.partition(b"\r\n\r\n")[2])
            try:
                while True:
                    # The size of a chunk is no field that a client knows.
                    decoder.feed(await stream.receive())
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                left = time.monotonic()
                seen.ended_at = min(seen.ended_at, left)
        if turn == 0:
            retry = retry if decoder.retry is None else decoder.retry / 1000
            seen.retries.append(retry)
            await anyio.sleep(retry)


async def _connected(port: int, retry: float, seen: Seen | None) -> SocketStream:
    while True:
        if seen is not None:
            seen.tries += 1
        try:
            stream = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            await anyio.sleep(retry)
            continue
        await stream.send(_REQUEST)
        return stream
