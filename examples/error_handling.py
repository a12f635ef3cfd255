# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Errors: a status before the first event, an event for one bad item, and a last event.

Run: python examples/error_handling.py
Try: curl -i "localhost:8000/report?rows=no", and curl -N "localhost:8000/report?rows=1,x,4,0,5"
"""

import logging
import os
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal, ServerSentEvent, StreamSummary, done


async def report(connection: Connection) -> AsyncIterator[ServerSentEvent]:
    rows = connection.query.get("rows", "1,2,4").split(",")
    if not rows[0].isdigit():  # 1. There is no event yet, so the client gets a real status.
        raise Refusal(422, "rows must begin with a number")
    for number, row in enumerate(rows, 1):
        try:
            share = 100 / int(row)
        except ValueError:  # 2. One row is bad: the client hears of it, and the stream goes on.
            yield ServerSentEvent({"row": row}, event="skipped", id=str(number))
        else:
            yield ServerSentEvent({"row": row, "share": share}, event="row", id=str(number))
        await anyio.sleep(0.1)
    yield done({"rows": len(rows)})


def last_event(error: Exception) -> ServerSentEvent:
    """Return the last event of a stream that fails: 3. Nothing caught the error.

    The traceback is in the log. Tell the client no secrets. The ID of
    ``done()`` keeps the browser from asking for the same failure again and again.
    """
    return done({"reason": "the report failed", "kind": type(error).__name__}, event="failed")


def account(summary: StreamSummary) -> None:
    print(f"{summary.reason.value} after {summary.events} events: {summary.error!r}", flush=True)


logging.basicConfig()
stream = EventSourceApp(report, on_error=last_event, on_close=account)
app = Starlette(routes=[Route("/report", stream)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
