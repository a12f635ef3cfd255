# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "itsdangerous", "starlette", "uvicorn"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""Authentication of an EventSource: a cookie, or a ticket for pages that have none.

Run: python examples/tickets.py    Try: http://localhost:8000/
"""

import os
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import anyio
import uvicorn
from itsdangerous import BadSignature, TimestampSigner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.web import ClientScript

tickets, sessions = (TimestampSigner(os.urandom(32)) for _ in range(2))
PAGE = """<!doctype html><pre id="out"></pre><script type="module">
import { SteadyEventSource } from "/sse.js";
const ask = { method: "POST", headers: { authorization: "Bearer example" } };
const url = async () => `/events?ticket=${await (await fetch("/ticket", ask)).text()}`;
new SteadyEventSource(url).onmessage = ({ data }) => out.append(data, "\\n");</script>"""


async def sign_in(request: Request) -> PlainTextResponse:
    if request.headers.get("authorization") != "Bearer example":
        return PlainTextResponse("sign in first", 401)
    response = PlainTextResponse(tickets.sign("ann").decode())
    response.set_cookie("session", sessions.sign("ann").decode(), httponly=True, samesite="lax")
    return response


async def private(connection: Connection) -> AsyncIterator[str]:
    cookies, ticket = SimpleCookie(connection.headers.get("cookie")), connection.query.get("ticket")
    # EventSource sends no Authorization header. A ticket may get into a log, so it soon expires.
    signer, age = (sessions, 86_400) if ticket is None else (tickets, 20)
    try:
        user = signer.unsign(ticket or cookies["session"].value, max_age=age).decode()
    except (KeyError, BadSignature):
        raise Refusal(401, "sign in first") from None  # before the first event: a real response
    for number in range(1000):
        yield f"{user} {number}"
        await anyio.sleep(0.5)


routes = [
    Route("/", lambda request: HTMLResponse(PAGE)),
    Route("/ticket", sign_in, methods=["POST"]),
    Route("/events", EventSourceApp(private, cors="https://app.example", max_lifetime=600)),
    Route("/sse.js", ClientScript()),
]
app = Starlette(routes=routes)
if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
