"""What pages of other origins are told: by the stream, its refusals, and before a fetch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sse_asgi import CORS, Connection, EventSourceApp, EventStream, Refusal, busy, done
from tests.harness import Peer, serve

pytestmark = pytest.mark.anyio

PAGE = "https://page.example"
OTHER = "https://other.example:8443"


async def hello(connection: Connection) -> AsyncIterator[str]:
    yield "hello"


async def refuse(connection: Connection) -> AsyncIterator[str]:
    raise Refusal(409, "not now", {"x-a": "b"})
    yield "never"


def origin(value: str, **fields: str) -> list[tuple[bytes, bytes]]:
    names = {"origin": value, **{name.replace("_", "-"): text for name, text in fields.items()}}
    return [(name.encode(), text.encode()) for name, text in names.items()]


def allowed(peer: Peer) -> tuple[bytes | None, bytes | None, bytes | None]:
    return (
        peer.headers.get(b"access-control-allow-origin"),
        peer.headers.get(b"access-control-allow-credentials"),
        peer.headers.get(b"vary"),
    )


async def test_without_a_policy_no_other_page_may_read_the_stream() -> None:
    peer = await serve(EventSourceApp(hello), headers=origin(PAGE))
    assert allowed(peer) == (None, None, None)


async def test_named_origin_may_read_the_stream_and_caches_are_told_that_it_depends() -> None:
    app = EventSourceApp(hello, cors=[PAGE, OTHER])
    for name in (PAGE, OTHER):
        peer = await serve(app, headers=origin(name))
        assert allowed(peer) == (name.encode(), None, b"origin")
        assert peer.headers[b"content-type"] == b"text/event-stream"
        assert peer.body == b"data: hello\n\n"
    for headers in (origin("https://evil.example"), origin("null"), []):
        assert allowed(await serve(app, headers=headers)) == (None, None, b"origin")


async def test_credentials_are_allowed_by_option() -> None:
    app = EventSourceApp(hello, cors=CORS(PAGE, credentials=True))
    assert allowed(await serve(app, headers=origin(PAGE))) == (PAGE.encode(), b"true", b"origin")
    assert allowed(await serve(app, headers=origin(OTHER))) == (None, None, b"origin")


async def test_any_page_may_read_a_public_stream() -> None:
    app = EventSourceApp(hello, cors="*")
    assert allowed(await serve(app, headers=origin(PAGE))) == (b"*", None, None)
    assert allowed(await serve(app)) == (b"*", None, None)


@pytest.mark.parametrize(
    ("app", "method", "status"),
    [
        (EventSourceApp(refuse, cors=PAGE), "GET", 409),
        (EventSourceApp(hello, cors=PAGE), "DELETE", 405),
        (EventSourceApp(hello, cors=PAGE, methods=["POST"]), "GET", 405),
        (EventSourceApp(hello, cors=PAGE), "HEAD", 200),
        (EventSourceApp(lambda connection: [done()], cors=PAGE), "GET", 200),
    ],
)
async def test_page_may_read_what_it_is_refused_with(app: Any, method: str, status: int) -> None:
    peer = await serve(app, headers=origin(PAGE), method=method)
    assert peer.status == status
    assert allowed(peer) == (PAGE.encode(), None, b"origin")


async def test_refusal_keeps_its_own_headers_and_no_others_of_the_stream() -> None:
    peer = await serve(EventSourceApp(refuse, cors=PAGE, headers={"x-c": "d"}))
    assert dict(peer.headers) == {
        b"x-a": b"b",
        b"content-type": b"text/plain; charset=utf-8",
        b"vary": b"origin",
    }


async def test_busy_and_a_full_house_are_answered_with_the_policy_too() -> None:
    def handler(connection: Connection) -> list[str]:
        raise busy()

    for app in (
        EventSourceApp(handler, cors=PAGE),
        EventSourceApp(hello, cors=PAGE, max_connections=1),
    ):
        limits: Any = app._limits
        limits._open = 1
        peer = await serve(app, headers=origin(PAGE))
        assert peer.body.startswith(b"retry: ")
        assert allowed(peer) == (PAGE.encode(), None, b"origin")


async def test_own_header_that_says_the_same_is_not_sent_twice() -> None:
    headers = {"access-control-allow-origin": "*"}
    stream = EventStream(refuse, headers=headers)
    peer = await serve(stream)
    names = [name for name, _ in peer.messages[0]["headers"]]
    assert names.count(b"access-control-allow-origin") == 1
    refusal = Refusal(409, headers=headers)

    def handler(connection: Connection) -> list[str]:
        raise refusal

    peer = await serve(EventSourceApp(handler, cors="*"))
    names = [name for name, _ in peer.messages[0]["headers"]]
    assert names.count(b"access-control-allow-origin") == 1


async def test_preflight_is_answered_without_calling_the_handler() -> None:
    def handler(connection: Connection) -> list[str]:
        raise AssertionError("called")

    app = EventSourceApp(
        handler,
        methods=["GET", "POST"],
        cors=CORS(PAGE, credentials=True, headers=["X-Tenant"], max_age=60),
    )
    asking = origin(PAGE, access_control_request_method="POST")
    peer = await serve(app, method="OPTIONS", headers=asking)
    assert peer.status == 204
    assert peer.body == b""
    assert dict(peer.headers) == {
        b"access-control-allow-origin": PAGE.encode(),
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"GET, POST, HEAD",
        b"access-control-allow-headers": (
            b"authorization, cache-control, content-type, last-event-id, x-tenant"
        ),
        b"access-control-max-age": b"60",
        b"vary": b"origin",
    }


async def test_preflight_of_another_origin_is_refused() -> None:
    asking = origin(OTHER, access_control_request_method="POST")
    peer = await serve(EventSourceApp(hello, cors=PAGE), method="OPTIONS", headers=asking)
    assert peer.status == 403
    assert allowed(peer) == (None, None, b"origin")


@pytest.mark.parametrize("cors", [None, PAGE])
async def test_options_that_is_no_preflight_is_a_method_like_any_other(cors: str | None) -> None:
    peer = await serve(EventSourceApp(hello, cors=cors), method="OPTIONS", headers=origin(PAGE))
    assert peer.status == 405
    assert peer.headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize(
    "origins",
    [
        "page.example",
        "https://page.example/",
        "https://page.example/path",
        "https://Page.example",
        "https://*.example",
        "https://page.example:443",
        "http://page.example:80",
        "null",
        "",
        (),
        ["*", "https://"],
    ],
)
async def test_what_is_no_origin_or_can_never_match_is_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match="origins"):
        EventSourceApp(hello, cors=origins)


@pytest.mark.parametrize("origins", [["https://a.example", "*"], "*"])
async def test_credentials_for_every_page_are_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match="credentials"):
        CORS(origins, credentials=True)


async def test_parameters_are_checked() -> None:
    bad: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (TypeError, "origins", {"origins": 5}),
        (TypeError, "origins", {"origins": [5]}),
        (TypeError, "credentials", {"origins": PAGE, "credentials": "yes"}),
        (TypeError, "max_age", {"origins": PAGE, "max_age": 1.5}),
        (ValueError, "max_age", {"origins": PAGE, "max_age": -1}),
        (TypeError, "headers", {"origins": PAGE, "headers": "x-a"}),
        (TypeError, "headers", {"origins": PAGE, "headers": [1]}),
        (ValueError, "headers", {"origins": PAGE, "headers": ["x a"]}),
    ]
    for error, name, parameters in bad:
        with pytest.raises(error, match=name):
            CORS(**parameters)
    assert CORS("http://localhost:5173")
    assert CORS("http://[::1]:8000")


@pytest.mark.anyio
async def test_header_that_the_policy_sets_is_refused() -> None:
    headers = {"Access-Control-Allow-Origin": "*"}
    with pytest.raises(ValueError, match="'access-control-allow-origin' must not be set: cors"):
        EventSourceApp(lambda connection: ["a"], headers=headers, cors="https://a.example")
    EventSourceApp(lambda connection: ["a"], headers=headers)
