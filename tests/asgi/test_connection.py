"""What the request says."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi import Connection
from sse_asgi.asgi import Fields, Notice
from tests.harness import http_scope


def connection_of(**scope: Any) -> Connection:
    return Connection(http_scope(**scope), Notice())


def test_headers_match_in_any_case_and_keep_their_order() -> None:
    headers = connection_of(
        headers=[(b"x-a", b"1"), (b"X-B", b"\xe9"), (b"x-a", b"2"), (b"x-empty", b"")]
    ).headers
    assert headers["x-a"] == headers["X-A"] == "1"
    assert headers.get_all("X-a") == ["1", "2"]
    assert headers["x-b"] == "\xe9"
    assert headers["x-empty"] == ""
    assert list(headers) == ["x-a", "x-b", "x-empty"]
    assert len(headers) == 3
    assert "x-c" not in headers
    assert headers.get("x-c") is None
    assert headers.get_all("x-c") == []
    with pytest.raises(KeyError):
        headers["x-c"]


def test_header_values_are_read_once() -> None:
    connection = connection_of(headers=[(b"a", b"1")])
    assert connection.headers is connection.headers
    assert connection.query is connection.query


def test_values_of_a_name_cannot_be_changed_through_what_is_returned() -> None:
    fields = Fields([("a", "1")])
    fields.get_all("a").append("2")
    assert fields.get_all("a") == ["1"]
    assert repr(fields) == "Fields({'a': ['1']})"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": ["1"], "b": ["2"]}),
        (b"a=1&a=2&A=3", {"a": ["1", "2"], "A": ["3"]}),
        (b"a=&b", {"a": [""], "b": [""]}),
        (b"q=%C5%BE+x%20y", {"q": ["ž x y"]}),
        (b"a%3Db=c%26d", {"a=b": ["c&d"]}),
        (b"&&", {}),
    ],
)
def test_query_is_decoded(query: bytes, expected: dict[str, list[str]]) -> None:
    fields = connection_of(query_string=query).query
    assert {name: fields.get_all(name) for name in fields} == expected


def test_raw_utf8_in_the_query_is_read_as_utf8() -> None:
    assert dict(connection_of(query_string="q=☃".encode()).query) == {"q": "☃"}


def test_connection_has_a_notice_by_default() -> None:
    first, second = Connection(http_scope()), Connection(http_scope(), body=b"x")
    assert first.shutdown is not second.shutdown
    assert not first.shutdown.is_set()
    assert second.body == b"x"


def test_query_may_be_missing_from_the_scope() -> None:
    scope = http_scope()
    del scope["query_string"]
    assert len(Connection(scope, Notice()).query) == 0


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        (None, b"", None),
        (b"7", b"", "7"),
        (None, b"last_event_id=8", "8"),
        (b"7", b"last_event_id=8", "7"),
        (b"", b"", None),
        (b"", b"last_event_id=8", "8"),
        ("7", b"last_event_id=8", "7"),
        ("☃", b"", "☃"),
        (None, b"last_event_id=", None),
        (None, b"last_event_id=&lastEventId=9", "9"),
        (None, b"last_event_id=8&lastEventId=9", "9"),
        (None, b"lastEventId=9&lastEventId=", "9"),
        (None, b"lastEventId=9", "9"),
        (None, b"lastEventID=9", "9"),
        (None, b"last-event-id=9", "9"),
        (None, b"Last-Event-ID=9", "9"),
        (None, b"evs_preamble=1&evs_last_event_id=9", "9"),
        (None, b"event_id=9", None),
        ("ž☃".encode(), b"", "ž☃"),
        (b"\xff", b"", "\xff"),
        ("caf\xe9-7".encode("latin-1"), b"", "caf\xe9-7"),
        (None, b"last_event_id=%E2%98%83", "☃"),
        (None, b"last_event_id=%FF", "\ufffd"),
        (None, "last_event_id=☃".encode(), "☃"),
        (None, b"last_event_id=\xe9", "\xe9"),
        (None, "last_event_id=☃", "☃"),
        (None, "last_event_id=%E2%98%83", "☃"),
        (None, "", None),
    ],
)
def test_last_event_id_comes_from_the_header_or_the_query(
    header: bytes | str | None, query: bytes | str, expected: str | None
) -> None:
    headers: list[Any] = [(b"accept", b"*/*")]
    if isinstance(header, str):
        headers.append(("Last-Event-ID", header))  # as test clients and bridges do
    elif header is not None:
        headers.append((b"last-event-id", header))
    assert connection_of(headers=headers, query_string=query).last_event_id == expected


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/a/b", "", "/a/b"),
        ("/root/a", "/root", "/a"),
        ("/root/a", "/root/", "/a"),
        ("/root", "/root", "/"),
        ("/root/", "/root", "/"),
        ("/a", "/root", "/a"),
        ("/rooted/a", "/root", "/rooted/a"),
        ("", "", "/"),
        ("/", "/", "/"),
    ],
)
def test_path_is_that_below_the_mount(path: str, root: str, expected: str) -> None:
    assert connection_of(path=path, root_path=root).path == expected


def test_root_path_may_be_missing_from_the_scope() -> None:
    scope = http_scope(path="/a")
    del scope["root_path"]
    assert Connection(scope, Notice()).path == "/a"


def test_rest_of_the_request() -> None:
    scope = http_scope(
        method="POST", path_params={"id": 5}, client=["10.0.0.1", 80], state={"x": 2}
    )
    connection = Connection(scope, Notice(), b"body")
    assert connection.method == "POST"
    assert connection.path_params == {"id": 5}
    assert connection.client == ("10.0.0.1", 80)
    assert connection.state == {"x": 2}
    assert connection.body == b"body"
    assert connection.scope is scope
    assert not connection.shutdown.is_set()
    assert repr(connection) == "<Connection POST />"


def test_rest_of_the_request_may_be_missing() -> None:
    connection = Connection({"type": "websocket", "path": "/", "headers": []}, Notice())
    assert connection.method == "GET"
    assert connection.path_params == {}
    assert connection.client is None
    assert connection.body == b""
    connection.state["x"] = 1
    assert connection.scope["state"] == {"x": 1}
    assert Connection({"headers": [], "client": None}, Notice()).client is None
