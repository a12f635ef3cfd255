"""Authentication of an EventSource: a cookie, or a ticket for pages that have none.

An EventSource sends no Authorization header. Its address can hold a ticket, good for seconds, as it
may get into a log; the client script asks for a fresh one whenever it opens the stream anew.
Run: uvicorn examples.tickets:app    Try: http://localhost:8000/
"""

import secrets
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import anyio
from itsdangerous import BadSignature, TimestampSigner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sse_asgi import Connection, EventSourceApp, Refusal
from sse_asgi.web import ClientScript

tickets, sessions = (TimestampSigner(secrets.token_bytes(32)) for _ in range(2))
PAGE = """<!doctype html><pre id="out"></pre><script type="module">
import { SteadyEventSource } from "/sse.js";
const ask = { method: "POST", headers: { authorization: "Bearer example" } };
const url = async () => `/events?ticket=${await (await fetch("/ticket", ask)).text()}`;
new SteadyEventSource(url).addEventListener("message", ({ data }) => out.append(data, "\\n"));
</script>"""


async def sign_in(request: Request) -> Response:
    if request.headers.get("authorization") != "Bearer example":
        return PlainTextResponse("sign in first", status_code=401)
    response = PlainTextResponse(tickets.sign("ann").decode())
    response.set_cookie("session", sessions.sign("ann").decode(), httponly=True, samesite="lax")
    return response


async def private(connection: Connection) -> AsyncIterator[str]:
    cookies = SimpleCookie(connection.headers.get("cookie", ""))
    try:
        if "ticket" in connection.query:
            user = tickets.unsign(connection.query["ticket"], max_age=20).decode()
        else:
            user = sessions.unsign(cookies["session"].value, max_age=86_400).decode()
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
