"""The app behind the proxies and the browser: what a test steers, what goes by the clock, a log."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import anyio

from sse_asgi import CORS, Connection, EventSourceApp, Refusal, busy, done
from sse_asgi.broadcast import Hub, Subscription
from sse_asgi.web import ClientScript
from tests.servers.apps import LiveApp, Send

from .raw import respond, torn

__all__ = ["PERIOD", "PING", "WebApp", "app"]

PERIOD = 0.05
"""Seconds from one event of the clock to the next."""

PING = 0.5
"""Seconds of silence before a keep-alive, where there is none but by the clock."""

BEGIN = float(os.environ.get("SSE_ASGI_TEST_BEGIN", "0"))
"""When event 0 of the clock was due: the same for a server that is started anew."""


EVENT_STREAM = "text/event-stream"


def named_ping() -> dict[str, str]:
    """Return a keep-alive that a page can see."""
    return {"event": "ping", "data": ""}


class WebApp(LiveApp):
    """LiveApp, and more streams; it logs the requests for streams under their ``key``."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = defaultdict[str, list[dict[str, Any]]](list)
        self._streams |= {
            "/pinged": EventSourceApp(self.steered, ping=PING, start_timeout=0),
            "/packed": EventSourceApp(self.steered, compression="auto", start_timeout=0),
            "/late": EventSourceApp(self.steered, retry=1234),
            "/clock": EventSourceApp(
                self.clock, start_timeout=0, retry=200, ping=PING, ping_message=named_ping
            ),
            "/fickle": EventSourceApp(self.clock, start_timeout=0, farewell_retry=(100, 100)),
            "/finite": EventSourceApp(self.finite, retry=100),
            "/busy": EventSourceApp(self.busy),
            "/forgetful": EventSourceApp(self.forgetful, retry=100),
            "/silent": EventSourceApp(silent, start_timeout=0, ping=PING, ping_message=named_ping),
            "/wide": EventSourceApp(wide, retry=100),
            "/brief": EventSourceApp(lambda connection: ["no id"], retry=100),
            "/gapped": EventSourceApp(gapped),
            "/orders": EventSourceApp(orders),
            "/ticket": EventSourceApp(self.ticket, retry=100),
            "/hub": EventSourceApp(self.news, start_timeout=0, farewell_retry=(100, 100)),
            "/token": EventSourceApp(
                self.clock, expires_at=self.token_end, farewell_retry=(100, 100), start_timeout=0
            ),
            "/posted": EventSourceApp(self.posted, methods=["POST"]),
        }
        self._tokens: dict[str, float] = {}
        self._answers: dict[str, int] = {}
        self._controls: dict[str, Callable[[str, dict[str, str]], Awaitable[str]]] = {
            "/control/requests": self._list_requests,
            "/control/publish": self._publish,
            "/control/drain": self._drain,
            "/control/answer": self._answer,
        }
        self._scripts = {"/sse.js": ClientScript(), "/tabs.js": ClientScript(shared=True)}
        self._hub = Hub()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or the lifespan."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        path, key = scope["path"], query.get("key", "")
        if not path.startswith("/control/") and key:
            self._log(scope, key)
        if path.startswith("/control/") and path in self._controls:
            text = await self._controls[path](key, query)
            await respond(send, "text/plain", text.encode())
        elif path == "/":
            await respond(send, "text/html", b"<!doctype html><title>test</title>")
        elif path in self._scripts:
            await self._scripts[path](scope, receive, send)
        elif path == "/fickle" and key in self._answers:
            await self._refuse(key, query, send)
        elif path == "/torn":
            await torn(send)
        elif path == "/raw":
            await self.raw(key, send)
        elif path == "/shared":
            await self.shared(query)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _list_requests(self, key: str, query: dict[str, str]) -> str:
        return json.dumps(self._requests[key])

    async def _publish(self, key: str, query: dict[str, str]) -> str:
        return await self._hub.publish("news", query["text"])

    async def _drain(self, key: str, query: dict[str, str]) -> str:
        for path in ("/hub", "/fickle"):
            self._streams[path].drain()
        return ""

    async def _answer(self, key: str, query: dict[str, str]) -> str:
        """Have /fickle answer with a status; with 200 it streams again."""
        self._answers.pop(key, None)
        if query["status"] != "200":
            self._answers[key] = int(query["status"])
        return ""

    async def _refuse(self, key: str, query: dict[str, str], send: Send) -> None:
        location = query.get("location", "/?key=page").encode()
        headers = [(b"location", location), (b"retry-after", query.get("after", "0").encode())]
        await respond(send, "text/html", b"<h1>Log in</h1>", self._answers[key], headers)

    def _log(self, scope: Any, key: str) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        request = {"at": time.monotonic(), "method": scope["method"], "headers": headers}
        request["path"] = scope["path"]
        request["query"] = scope["query_string"].decode()
        self._requests[key].append(request)

    async def raw(self, key: str, send: Send) -> None:
        """Stream what the test tells without this library, and without its headers."""
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        connection = Connection({"query_string": f"key={key}".encode()})
        async for text in self.steered(connection):
            body = f"data: {text}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def shared(self, query: dict[str, str]) -> EventSourceApp:
        """Return a stream for pages of the origin that the query names."""
        policy = CORS(query["origin"], credentials="credentials" in query)
        return EventSourceApp(self.greet, cors=policy, methods=("GET", "POST"), retry=100)

    async def greet(self, connection: Connection) -> AsyncIterator[dict[str, str]]:
        """Yield one event at each connection, so that the client comes back with its ID."""
        cookie = connection.headers.get("cookie", "none")
        yield {"data": f"{cookie} {connection.body.decode()}".strip(), "id": "greeted"}

    async def clock(self, connection: Connection) -> AsyncIterator[dict[str, str]]:
        """Yield event n when it is due, after those that the client has missed."""
        start = int((time.time() - BEGIN) / PERIOD)
        number = int(connection.last_event_id or start) + 1
        last = number + int(connection.query.get("most", "100000"))
        padding = " " * int(connection.query.get("pad", "0"))
        while number < last:
            await anyio.sleep(max(BEGIN + number * PERIOD - time.time(), 0))
            yield {"event": "tick", "data": f"{number}{padding}", "id": str(number)}
            number += 1

    def token_end(self, connection: Connection) -> float:
        """Return when a token expires, which is good for a moment from its first use on."""
        token = connection.query["token"]
        return self._tokens.setdefault(token, time.time() + 0.5)

    async def posted(self, connection: Connection) -> AsyncIterator[str]:
        """Yield the body of the request, then what the test tells."""
        yield connection.body.decode()
        async for text in self.steered(connection):
            yield text

    def news(self, connection: Connection) -> Subscription:
        """Follow a hub."""
        return self._hub.subscribe("news", last_event_id=connection.last_event_id)

    async def ticket(self, connection: Connection) -> AsyncIterator[dict[str, str]]:
        """Take each ticket once."""
        ticket = f"ticket={connection.query['ticket']}&"
        made = self._requests[connection.query["key"]]
        if sum(ticket in request["query"] for request in made) > 1:
            raise Refusal(401)
        data = f"{connection.query['ticket']} {connection.last_event_id}"
        yield {"data": data, "id": f"after-{connection.query['ticket']}"}

    async def finite(self, connection: Connection) -> AsyncIterator[Any]:
        """Yield a few events and the last one."""
        yield {"data": "a", "id": "1"}
        yield done({"events": 1})

    async def forgetful(self, connection: Connection) -> AsyncIterator[dict[str, str]]:
        """Refuse every second ``EventSource``; give only the very first event an ID."""
        requests = self._requests[connection.query["key"]]
        number = sum(request["headers"]["accept"] == EVENT_STREAM for request in requests)
        if connection.headers["accept"] != EVENT_STREAM or number % 2 == 0:
            raise Refusal(503)
        yield {"data": "a", "id": "7"} if number == 1 else {"data": "b"}

    async def busy(self, connection: Connection) -> AsyncIterator[str]:
        """Have no room for the first two requests of a key."""
        if len(self._requests[connection.query["key"]]) <= 2:
            raise busy(retry=(100, 200))
        yield "room"


async def silent(connection: Connection) -> AsyncIterator[str]:
    """Yield nothing, so that there is nothing but keep-alives."""
    await anyio.sleep_forever()
    yield "never"


async def wide(connection: Connection) -> AsyncIterator[dict[str, str]]:
    """Yield the last event ID, under an ID that is not of ASCII."""
    yield {"data": connection.last_event_id or "none", "id": "é€😀"}


async def orders(connection: Connection) -> AsyncIterator[Any]:
    """Yield events under names that a client may want for itself, then wait."""
    yield {"data": "first", "id": "1"}
    yield {"event": "closed", "data": "order 7"}
    yield {"event": "gap", "data": "of an order"}
    yield {"data": "last"}
    await anyio.sleep_forever()


async def gapped(connection: Connection) -> AsyncIterator[dict[str, str]]:
    """Begin as a hub's subscription does."""
    yield {"event": "position", "data": "at", "id": "5"}
    yield {"event": "gap", "data": "lost"}
    await anyio.sleep_forever()


app = WebApp()
