# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "httpx", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = "../.." }
# ///
"""A protocol on top of events: requests go up by POST, answers come down on the stream.

The stream begins with ``welcome`` and its session. The client posts requests with numbers. Each
gets a ``result`` or a ``failure`` with its number. After a cut the client resumes, so that answers
which it missed are sent. ``bye`` ends the session.

Run: python examples/demonstrations/custom_protocol.py
"""

import secrets
from collections.abc import AsyncGenerator, Callable

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, MessageEvent, Refusal, ServerSentEvent
from sse_asgi.broadcast import Hub, Subscription

from stage import PATIENCE, read_events, say, serving

VERSION = "sums/1"


# -- the server --------------------------------------------------------------------------------

hub = Hub()


async def begin(request: Request) -> Response:
    """Begin a session, if both sides speak the same version."""
    if (version := request.headers.get("protocol")) != VERSION:
        return Response(f"this server speaks {VERSION}, not {version}", 400)
    session = secrets.token_urlsafe(16)
    await hub.publish(session, ServerSentEvent({"session": session}, event="welcome"), first=True)
    return Response(session, 201)


async def ask(request: Request) -> Response:
    """Answer a request on the stream of its session."""
    session, body = request.path_params["session"], await request.json()
    if session not in hub.snapshot().topics:
        return Response("no such session", 404)
    if body["do"] == "bye":
        await hub.publish(session, ServerSentEvent({}, event="bye"), last=True)
    else:
        await hub.publish(session, answer(body["number"], body["do"], body.get("of", ())))
    return Response(status_code=202)


def answer(number: int, name: str, values: list[int]) -> ServerSentEvent:
    functions: dict[str, Callable[[list[int]], int]] = {"sum": sum, "max": max}
    try:
        result = functions[name](values)
    except Exception as exc:
        return ServerSentEvent({"number": number, "reason": repr(exc)}, event="failure")
    return ServerSentEvent({"number": number, "result": result}, event="result")


def listen(connection: Connection) -> Subscription:
    session = connection.path_params["session"]
    if session not in hub.snapshot().topics:
        raise Refusal(404, "no such session")
    return hub.subscribe(session, last_event_id=connection.last_event_id, start="oldest")


routes = [
    Route("/sessions", begin, methods=["POST"]),
    Route("/sessions/{session}", ask, methods=["POST"]),
    Route("/sessions/{session}/events", EventSourceApp(listen)),
]
app = Starlette(routes=routes)


# -- the demonstration -------------------------------------------------------------------------


class Session:
    """The client's side of one session."""

    def __init__(self, client: httpx.AsyncClient, path: str) -> None:
        self._client = client
        self._path = path
        self._last_event_id = ""
        self.seen: list[MessageEvent] = []

    async def ask(self, number: int, name: str, *values: int) -> None:
        """Post a request. Its answer comes on the stream."""
        body = {"number": number, "do": name, "of": values}
        say(f"  up    request {number}: {name}{list(values) if values else ''}")
        (await self._client.post(self._path, json=body)).raise_for_status()

    async def events(self) -> AsyncGenerator[MessageEvent, None]:
        """Open the stream where the last one was left, and yield its events."""
        async for event in read_events(self._client, f"{self._path}/events", self._last_event_id):
            self._last_event_id = event.id
            if event.event != "position":
                say(f"  down  {event.event} {event.data}")
                self.seen.append(event)
                yield event


async def demonstrate(url: str) -> list[MessageEvent]:
    """Hold one session with a cut in its middle, and return the events of its stream."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        refused = await client.post("/sessions", headers={"protocol": "sums/0"})
        say(f"A client of another version gets {refused.status_code}: {refused.text}.")
        begun = await client.post("/sessions", headers={"protocol": VERSION})
        session = Session(client, f"/sessions/{begun.text}")
        events = session.events()
        await anext(events)
        await session.ask(1, "sum", 1, 2, 3)
        await anext(events)
        await session.ask(2, "max")
        await anext(events)
        await events.aclose()
        say("The connection is cut. The client asks twice, and nothing can come down.")
        await session.ask(3, "max", 4, 5)
        await session.ask(4, "sum", 6)
        say("The client opens the stream again, with the ID of the last event that it has.")
        async for event in session.events():
            if event.event == "result" and event.json()["number"] == 4:
                await session.ask(5, "bye")
    return session.seen


def main() -> None:
    with serving("custom_protocol:app") as server:
        seen = anyio.run(demonstrate, server.url)
    numbers = [event.json()["number"] for event in seen if event.event in ("result", "failure")]
    assert numbers == [1, 2, 3, 4], numbers
    assert seen[-1].event == "bye", seen
    say("Each request got its one answer, also those that were asked during the cut.")


if __name__ == "__main__":
    main()
