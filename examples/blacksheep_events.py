"""BlackSheep: a mounted sub-app.

Run: uvicorn examples.blacksheep_events:app    Try: curl -N localhost:8000/events?name=a
"""

from collections.abc import AsyncIterator

import anyio
from blacksheep import Application

from sse_asgi import Connection, EventSourceApp

app = Application()


async def ticks(connection: Connection) -> AsyncIterator[dict[str, str]]:
    name = connection.query.get("name", "events")
    try:
        for number in range(1000):
            yield {"event": "tick", "data": f"{name} {number}", "id": str(number)}
            await anyio.sleep(0.5)
    finally:
        print(f"{name} closed", flush=True)


@app.router.get("/")
async def index() -> str:
    return "an ordinary route"


app.mount("/events", EventSourceApp(ticks))
