# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "matplotlib", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""Load: many clients of one hub, the time that each event takes, and a plot of it.

Run: python examples/demonstrations/load.py [CLIENTS] [PLOT.png]
Without the name of a file, or without matplotlib, the plot is text.
"""

import sys
import time
from importlib.util import find_spec
from itertools import pairwise

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub, Subscription

from stage import PATIENCE, read_events, say, serving

EVENTS = 20
BOUNDS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, float("inf"))  # milliseconds


# -- the server --------------------------------------------------------------------------------

hub = Hub()


def listen(connection: Connection) -> Subscription:
    return hub.subscribe("load", last_event_id=connection.last_event_id)


async def publish(request: Request) -> PlainTextResponse:
    """Publish the time. Both processes read the same clock."""
    for _ in range(EVENTS):
        await hub.publish("load", {"event": "time", "data": time.monotonic()})
        await anyio.sleep(0.05)
    return PlainTextResponse("published")


routes = [Route("/events", EventSourceApp(listen)), Route("/publish", publish, methods=["POST"])]
app = Starlette(routes=routes)


# -- the demonstration -------------------------------------------------------------------------


class Audience:
    """The clients, and the delays of the events that they got."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.present = 0
        self.complete = anyio.Event()
        self.delays: list[float] = []

    async def read(self, client: httpx.AsyncClient, url: str) -> None:
        """Read all events that are published, on one connection."""
        left = EVENTS
        async for event in read_events(client, url):
            if event.event == "position":  # the subscription stands
                self.arrive()
                continue
            self.delays.append(1000 * (time.monotonic() - event.json()))
            left -= 1
            if not left:
                return

    def arrive(self) -> None:
        """Count a client, and tell how many have come at each quarter."""
        self.present += 1
        if 4 * self.present // self.size > 4 * (self.present - 1) // self.size:
            say(f"  {self.present} of {self.size} clients are connected")
        if self.present == self.size:
            self.complete.set()


async def measure(url: str, size: int) -> list[float]:
    """Connect all clients, publish, and return the delays in milliseconds."""
    audience = Audience(size)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client:
        begin = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(size):
                tasks.start_soon(audience.read, client, f"{url}/events")
            await audience.complete.wait()
            say(f"All are connected after {time.monotonic() - begin:.2f} s.")
            await client.post(f"{url}/publish")
    return sorted(audience.delays)


def bars(delays: list[float]) -> list[tuple[str, int]]:
    """Return how many delays lie between two bounds."""
    return [
        (f"{low:g} to {high:g} ms", sum(low <= delay < high for delay in delays))
        for low, high in pairwise(BOUNDS)
    ]


def draw_text(delays: list[float]) -> None:
    most = max(count for _, count in bars(delays))
    for label, count in bars(delays):
        if count:
            say(f"  {label:>14} {'#' * max(1, 50 * count // most)} {count}")


def draw_picture(delays: list[float], file: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")  # no window
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    axes.hist(delays, bins=50)
    axes.set(title="From publish to client", xlabel="milliseconds", ylabel="events")
    figure.savefig(file)
    say(f"The plot is in {file}.")


def main() -> None:
    arguments = dict(enumerate(sys.argv))
    size, file = int(arguments.get(1, "100")), arguments.get(2)
    with serving("load:app") as server:
        say(f"{size} clients connect to one server process.")
        delays = anyio.run(measure, server.url, size)
    middle, late, last = (delays[round(part * (len(delays) - 1))] for part in (0.5, 0.99, 1))
    say(f"{len(delays)} events arrived of {size * EVENTS}: {size * EVENTS - len(delays)} are lost.")
    say(f"An event took {middle:.1f} ms (median), {late:.1f} ms (99 %), {last:.1f} ms (the last).")
    if file and find_spec("matplotlib"):
        draw_picture(delays, file)
    else:
        draw_text(delays)


if __name__ == "__main__":
    main()
