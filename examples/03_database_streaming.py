# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "aiosqlite", "pandas", "sqlalchemy[asyncio]", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Rows of a database: an asynchronous result, a synchronous cursor, and frames of pandas.

Run: python examples/03_database_streaming.py
Try: curl -N localhost:8000/rows, /cursor and /frames. A client that comes back gets later rows.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from tempfile import TemporaryDirectory

import pandas as pd
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, ServerSentEvent, done

QUERY = "select id, product, price from orders where id > :seen order by id"
file = f"{(directory := TemporaryDirectory()).name}/orders.db"
engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
with closing(sqlite3.connect(file)) as database, database:
    database.execute("create table orders (id integer primary key, product text, price real)")
    orders = ((("tea", "milk", "sugar")[n % 3], n / 4) for n in range(1000))
    database.executemany("insert into orders (product, price) values (?, ?)", orders)


def seen(connection: Connection) -> dict[str, int]:
    return {"seen": int(connection.last_event_id or 0)}


async def rows(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    async with engine.connect() as database:
        async for row in await database.stream(text(QUERY), seen(connection)):
            yield ServerSentEvent(dict(row._mapping), event="row", id=str(row.id))
    yield done()


def cursor(connection: Connection) -> Iterator[ServerSentEvent]:  # it runs in a thread
    with closing(sqlite3.connect(file)) as database:
        for number, product, price in database.execute(QUERY, seen(connection)):
            yield ServerSentEvent({"product": product, "price": price}, id=str(number))
    yield done()


def frames(connection: Connection) -> Iterator[ServerSentEvent]:  # so does this one
    with closing(sqlite3.connect(file)) as database:
        for frame in pd.read_sql(QUERY, database, params=seen(connection), chunksize=100):
            totals = frame.groupby("product")["price"].sum()
            yield ServerSentEvent(totals.to_dict(), event="totals", id=str(frame["id"].max()))
    yield done()


app = Starlette(routes=[Route(f"/{f.__name__}", EventSourceApp(f)) for f in (rows, cursor, frames)])
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
