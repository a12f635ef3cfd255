# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""A client leaves: the server hears of it, and the clean-up of the stream's content runs.

Run: python examples/demonstrations/client_disconnect.py
"""

import socket
import struct
import time
from collections.abc import AsyncIterator

import anyio
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, StreamSummary

from stage import open_socket, say, serving

# -- the server --------------------------------------------------------------------------------


async def ticks(connection: Connection) -> AsyncIterator[dict[str, object]]:
    """Send an event ten times a second, and clean up when nobody reads any more."""
    name, size = connection.query["name"], int(connection.query.get("size", "1"))
    try:
        for number in range(100_000):
            yield {"event": "tick", "data": f"{number} {'x' * size}"}
            await anyio.sleep(0.1 if size == 1 else 0)
    finally:
        print(f"clean-up of {name}", flush=True)


def account(summary: StreamSummary) -> None:
    """Say why a stream has ended."""
    name = summary.connection.query["name"] if summary.connection else ""
    print(f"end of {name}: {summary.reason.value}, {summary.events} events", flush=True)


app = Starlette(routes=[Route("/", EventSourceApp(ticks, on_close=account, send_timeout=1))])


# -- the demonstration -------------------------------------------------------------------------


def reset(client: socket.socket) -> None:
    """Break the connection off with a reset, as a machine that crashes does."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def main() -> None:
    with serving("client_disconnect:app") as server:
        say("Three clients open a stream each. They leave in three ways.")
        polite = open_socket(server.url, "/?name=polite")
        crashed = open_socket(server.url, "/?name=crashed")
        stalled = open_socket(server.url, "/?name=stalled&size=100000")
        opened = time.monotonic()
        say("* The first closes its connection, as a browser does with a tab.")
        polite.close()
        report(server.wait_for("of polite", 2), opened)
        say("* The second crashes: its connection is reset.")
        begin = time.monotonic()
        reset(crashed)
        report(server.wait_for("of crashed", 2), begin)
        say("* The third stays and does not read. The server gives it send_timeout=1 seconds.")
        report(server.wait_for("of stalled", 2), opened)
        stalled.close()
        say("Each clean-up ran once, and on_close told the reason. No stream is left.")


def report(lines: list[str], begin: float) -> None:
    """Print the lines of the server, and the time since ``begin``."""
    for line in lines:
        say(f"    the server prints: {line}")
    say(f"    after {time.monotonic() - begin:.2f} s")


if __name__ == "__main__":
    main()
