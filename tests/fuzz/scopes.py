"""Requests of any shape that ASGI allows, and of some that only test clients make."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import anyio
from hypothesis import strategies as st

from sse_asgi import CORS, Connection, EventSourceApp
from sse_asgi.asgi.connection import request_name
from tests.harness import Peer, Served, http_scope

from .headers import field_names, field_values, queries
from .target import Target

__all__ = ["SCOPES"]

STATUSES: Final = frozenset({200, 204, 400, 403, 405, 413})
"""The statuses that the application may answer with, all documented."""

MAX_BODY: Final = 64


OPTIONAL: Final = (
    *("asgi", "http_version", "scheme", "raw_path", "query_string", "root_path"),
    *("client", "server", "method"),
)


class Request(NamedTuple):
    """A request: fields of its scope, the names of those that are missing, and its body."""

    fields: dict[str, Any]
    missing: frozenset[str]
    body: tuple[bytes, ...]
    backend: str


plain_fields = st.tuples(field_names, field_values)
origins = st.sampled_from([b"https://a.example", b"null", b"https://b.example", b"\xff"])
named_fields = (
    st.tuples(st.just(b"origin"), origins)
    | st.tuples(st.just(b"access-control-request-method"), field_values)
    | st.tuples(st.just(b"accept-encoding"), st.sampled_from([b"gzip", b"br, *;q=0", b"\xff;q"]))
    | st.tuples(st.just("last-event-id"), st.text(max_size=4))
    | st.tuples(st.sampled_from([b"forwarded", b"x-forwarded-for"]), field_values)
)
clients = st.none() | st.tuples(st.text(max_size=4), st.integers(0, 65_535)) | st.just(["::1", 1])
texts = st.text(max_size=8)
scopes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["http", "http", "http", "websocket"]),
        "method": st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "get", "TRACE"]) | texts,
        "path": texts.map(lambda text: f"/{text}") | texts,
        "query_string": queries | texts,
        "root_path": texts.map(lambda text: f"/{text}") | texts,
        "headers": st.lists(plain_fields | named_fields, max_size=6)
        | st.lists(plain_fields.map(list), max_size=3),
        "client": clients,
        "server": clients,
        "http_version": st.sampled_from(["1.0", "1.1", "2", "3", ""]),
        "extensions": st.none()
        | st.just({})
        | st.just({"websocket.http.response": {}, "http.response.trailers": {}}),
        "state": st.just({}),
    },
)
requests = st.builds(
    Request,
    scopes,
    st.frozensets(st.sampled_from(OPTIONAL), max_size=4),
    st.lists(st.binary(max_size=48), max_size=3).map(tuple),
    st.sampled_from(["asyncio", "trio"]),
)


def handler(connection: Connection) -> list[Any]:
    """Look at all that a handler may look at."""
    for fields in (connection.headers, connection.query):
        list(fields.items())
    assert request_name(connection).isprintable()
    assert repr(connection)
    assert connection.path
    seen = [connection.method, connection.client, connection.last_event_id, connection.state]
    return [{"data": repr(seen)}, "end"]


async def _answer(request: Request) -> Peer:
    app = EventSourceApp(
        handler,
        methods=("GET", "POST"),
        max_body=MAX_BODY,
        max_connections_per_client=1,
        compression="auto",
        cors=CORS(["https://a.example"], credentials=True),
    )
    scope = {key: value for key, value in http_scope().items() if key not in request.missing}

    async def receive(call: int) -> dict[str, Any] | None:
        if call > len(request.body):
            return {"type": "http.disconnect"} if not request.body else None
        more = call < len(request.body)
        return {"type": "http.request", "body": request.body[call - 1], "more_body": more}

    served = Served(app, Peer(on_receive=receive), {**scope, **request.fields})
    await served.returned()
    return served.peer


def check(request: Request) -> None:
    """Answer any request with a documented status and a complete body, or with nothing."""
    peer = anyio.run(_answer, request, backend=request.backend)
    if not request.body and not peer.messages:
        return  # the client left before the response had begun
    if request.fields.get("type") == "websocket":
        assert peer.messages
        return
    assert not peer.violations
    assert peer.status in STATUSES, peer.messages[0]
    assert peer.ended or not request.body


SCOPES: Final = Target(
    "scopes",
    requests,
    check,
    corpus=(
        Request({"method": "get"}, frozenset(), (b"",), "asyncio"),
        Request({"path": "", "root_path": "/"}, frozenset({"client"}), (b"",), "trio"),
        Request({"method": "POST"}, frozenset(), (b"x" * 48, b"x" * 48), "asyncio"),
        Request({"path": "/\r\nGET /", "query_string": "é"}, frozenset(), (b"",), "asyncio"),
    ),
)
