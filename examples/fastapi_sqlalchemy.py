# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "aiosqlite", "fastapi", "sqlalchemy[asyncio]", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""FastAPI and SQLAlchemy: a stream that waits holds no connection of the database's pool.

Run: python examples/fastapi_sqlalchemy.py    Try: curl -N localhost:8000/before
"""

import os
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
import uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse

pool = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 2, "max_overflow": 0}
engine = create_async_engine("sqlite+aiosqlite://", **pool)
new_session = async_sessionmaker(engine)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


app = FastAPI(on_shutdown=[engine.dispose])
Source = Annotated[EventSource, Depends(EventSource.of)]
# Left when the endpoint returns. Without the scope it would be held until the stream ends.
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


@app.get("/before", response_class=EventSourceResponse)
async def before(source: Source, session: Session) -> EventSourceResponse:
    first = await session.scalar(text("select 1"))

    async def content() -> AsyncIterator[int]:
        yield first
        await anyio.sleep_forever()

    return source.respond(content())


@app.get("/during", response_class=EventSourceResponse)
async def during(source: Source) -> EventSourceResponse:
    async def content() -> AsyncIterator[int]:
        while True:
            async with new_session() as session:  # for each query, not across a wait
                number = await session.scalar(text("select 2"))
            yield number
            await anyio.sleep(9)

    return source.respond(content())


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
