# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Prices: a client that is slow, or was away, gets the newest of each symbol and no backlog.

Run: python examples/price_ticker.py    Try: curl -N "localhost:8000/prices?symbols=EUR,GBP"
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.broadcast import Entry, Hub, MemoryBackend, Subscription

OPENING = {"EUR": 1.08, "GBP": 1.27, "CHF": 1.12, "JPY": 0.0067}  # in dollars

hub = Hub(MemoryBackend(max_events=1000))


async def trade() -> None:
    prices = dict(OPENING)
    while True:
        for symbol in prices:
            prices[symbol] *= random.gauss(1, 0.0005)
            data = {"symbol": symbol, "price": round(prices[symbol], 6)}
            await hub.publish(symbol, {"event": "price", "data": data})
        await anyio.sleep(0.25)


def symbol_of(entry: Entry) -> str:
    return entry.topic


def quote(connection: Connection) -> Subscription:
    symbols = connection.query.get("symbols", ",".join(OPENING)).split(",")
    if unknown := set(symbols) - set(OPENING):
        raise Refusal(404, f"not traded here: {', '.join(sorted(unknown))}")
    seen = connection.last_event_id  # a newcomer gets the newest price of each symbol first
    return hub.subscribe(*symbols, last_event_id=seen, start="oldest", keep_latest=symbol_of)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with hub, anyio.create_task_group() as tasks:
        tasks.start_soon(trade)
        yield
        tasks.cancel_scope.cancel()


app = Starlette(lifespan=lifespan, routes=[Route("/prices", EventSourceApp(quote))])


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
