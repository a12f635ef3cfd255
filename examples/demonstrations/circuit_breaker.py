# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""A source fails: a circuit breaker spares it, and the client keeps its stream.

Run: python examples/demonstrations/circuit_breaker.py
"""

import time
from collections.abc import AsyncIterator

import anyio
import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, ServerSentEvent, done

from stage import PATIENCE, read_events, say, serving

GOOD = 20


# -- the server --------------------------------------------------------------------------------


class Source:
    """A service that works for eight calls, fails for five, and works again."""

    def __init__(self) -> None:
        self.calls = 0

    async def read(self) -> int:
        """Return a value.

        :raises ConnectionError: the service is down
        """
        self.calls += 1
        if 8 < self.calls <= 13:
            raise ConnectionError("the source is down")
        return self.calls


class Breaker:
    """Lets calls through until three in a row have failed, and then one in half a second."""

    def __init__(self) -> None:
        self._failures = 0
        self._next = 0.0

    @property
    def is_open(self) -> bool:
        """No call may be made now."""
        return self._failures >= 3 and time.monotonic() < self._next

    def failed(self) -> bool:
        """Count a failure; return whether it is the one that opens the breaker."""
        self._failures += 1
        self._next = time.monotonic() + 0.5
        return self._failures == 3

    def succeeded(self) -> bool:
        """Forget the failures; return whether the breaker was open."""
        was_open, self._failures = self._failures >= 3, 0
        return was_open


async def values(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    """Send values; say when they pause and when they come again. The stream does not end."""
    source, breaker, good, turns = Source(), Breaker(), 0, 0
    while good < GOOD:
        turns += 1
        if not breaker.is_open:
            try:
                value = await source.read()
            except ConnectionError as exc:
                if breaker.failed():
                    yield ServerSentEvent({"reason": str(exc)}, event="paused")
            else:
                good += 1
                if breaker.succeeded():
                    yield ServerSentEvent({}, event="resumed")
                yield ServerSentEvent({"value": value}, event="value", id=str(good))
        await anyio.sleep(0.05)
    yield done({"turns": turns, "calls": source.calls, "good": good})


app = Starlette(routes=[Route("/", EventSourceApp(values))])


# -- the demonstration -------------------------------------------------------------------------


async def watch(url: str) -> list[str]:
    """Read one stream to its end, print each change, and return the kinds of its events."""
    kinds: list[str] = []
    begin = time.monotonic()
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        async for event in read_events(client, url):
            if event.event != "value" or kinds[-1:] != ["value"]:
                say(f"    {time.monotonic() - begin:4.1f} s  {event.event}: {event.data}")
            kinds.append(event.event)
            last = event
    figures = last.json()
    turns, calls, good = figures["turns"], figures["calls"], figures["good"]
    say(f"The stream wanted a value {turns} times. The breaker let {calls} calls through, of which")
    say(f"{calls - good} failed, and spared the source {turns - calls}.")
    return kinds


def main() -> None:
    with serving("circuit_breaker:app") as server:
        say("A stream reads a source that fails five times in a row. Its client sees:")
        kinds = anyio.run(watch, server.url)
    assert kinds.count("value") == GOOD, kinds
    assert kinds[-1] == "done", kinds
    say(f"The client got all {GOOD} values on one connection. It knew when they paused.")


if __name__ == "__main__":
    main()
