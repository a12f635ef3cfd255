"""Serve the demo on hypercorn, and stop at once when asked to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config

from .app import Demo

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

__all__ = ["run"]

_GRACE: Final = 1.0
"""Seconds in which streams must end by themselves."""


def run(host: str, port: int) -> int:
    """Serve the demo until SIGINT or SIGTERM and return the exit status.

    :param port: 0 takes a free port
    """
    try:
        listener = _listen(host, port)
    except OSError as exc:
        number = exc.errno or 0  # that of getaddrinfo is negative, and strerror does not know it
        reason = os.strerror(number) if number > 0 else exc.strerror
        print(f"Cannot listen on {host}, port {port}: {reason}", file=sys.stderr)
        return 1
    asyncio.run(_serve(listener))
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Bind before the server starts, so that a port in use is one line and port 0 has a number."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def _serve(listener: socket.socket) -> None:
    app = cast("ASGIFramework", Demo())
    config = Config()
    config.loglevel = "WARNING"
    config.graceful_timeout = _GRACE
    url = _url(listener)
    config.bind = [f"fd://{listener.detach()}"]
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    with _on_signals(lambda: loop.call_soon_threadsafe(stop.set)):
        server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))
        stopping = asyncio.create_task(stop.wait())
        print(f"The sse_asgi demo runs at {url} (Ctrl-C stops it)", flush=True)
        await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await finish(server)


async def finish(server: asyncio.Task[None]) -> None:
    """Wait until the server has ended, but not for clients that do not read."""
    done, _ = await asyncio.wait({server}, timeout=_GRACE + 0.3)
    if not done:
        # asyncio would report each cancelled connection, which looks like a crash.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        server.cancel()
        await asyncio.wait({server})
    if not server.cancelled():
        server.result()


@contextmanager
def _on_signals(call: Callable[[], object]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call ``call`` instead of ending the process."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: call()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
