"""The grammar of header fields (RFC 9110), and the fields that a user may give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_asgi import Refusal, StreamOptions
from sse_asgi.headers import (
    HOP_BY_HOP,
    Fields,
    checked_headers,
    end_to_end,
    header,
    is_event_stream,
    is_token,
    media_type,
)

BAD_FIELDS: list[tuple[Any, type[Exception], str]] = [
    (5, TypeError, "headers must be a mapping or pairs of str, not 5"),
    ("retry-after: 5", TypeError, "headers must be a mapping or pairs of str"),
    (b"retry-after: 5", TypeError, "headers must be a mapping or pairs of str"),
    ({"retry-after": 5}, TypeError, "headers must be pairs of str, not ('retry-after', 5)"),
    ([("a", "b", "c")], TypeError, "headers must be pairs of str"),
    ([(b"a", b"b")], TypeError, "headers must be pairs of str"),
    (["ab"], TypeError, "headers must be pairs of str, not 'ab'"),
    ({"a b": "c"}, ValueError, "headers: 'a b' is not a field name (RFC 9110, 5.1)"),
    ({"a": "b\r\nset-cookie: x"}, ValueError, "of 'a' holds control characters"),
    ({"a": "\0"}, ValueError, "of 'a' holds control characters"),
    ({"a": " b"}, ValueError, "or outer space (RFC 9110, 5.5)"),
    ({"location": "/€"}, ValueError, "headers: the value '/€' of 'location' is not Latin-1"),
    (
        [("Location", "/a"), ("location", "/b")],
        ValueError,
        "headers: 'location' must be given only once (RFC 9110, 5.3)",
    ),
    *[
        ([(name, "x"), ("x-a", "b"), (name.title(), "x")], ValueError, "only once")
        for name in (
            "content-type",
            "retry-after",
            "etag",
            "last-modified",
            "access-control-allow-origin",
        )
    ],
    *[({name.title(): "x"}, ValueError, "must not be set: ") for name in HOP_BY_HOP],
]


@pytest.mark.parametrize(("fields", "error", "message"), BAD_FIELDS)
def test_field_that_cannot_be_sent_is_refused_by_each_user(
    fields: Any, error: type[Exception], message: str
) -> None:
    for make in (
        checked_headers,
        lambda fields: StreamOptions(headers=fields),
        lambda fields: Refusal(403, "no", fields),
    ):
        with pytest.raises(error) as raised:
            make(fields)
        assert message in str(raised.value)


def test_given_fields_become_lower_case_bytes_in_their_order() -> None:
    assert checked_headers({"X-A": "é\tx", "b": ""}) == [(b"x-a", b"\xe9\tx"), (b"b", b"")]
    assert checked_headers(None) == []
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    assert len(checked_headers(cookies)) == 2


@given(st.lists(st.tuples(st.text(), st.text())))
def test_fields_that_are_accepted_can_be_sent(pairs: list[tuple[str, str]]) -> None:
    try:
        sent = checked_headers(pairs)
    except ValueError:
        return
    for name, value in sent:
        assert is_token(name.decode())
        assert not {0, 10, 13}.intersection(value)


def test_fields_of_one_hop_are_left_out() -> None:
    given = [(b"connection", b"x"), (b"Content-Length", b"5"), (b"A", b"b")]
    assert end_to_end(given) == [(b"A", b"b")]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", ("text/event-stream", "")),
        ('Text/Event-Stream; charset="UTF-8"; x=1', ("text/event-stream", "utf-8")),
        ("text/event-stream;x=1; Charset=latin-1", ("text/event-stream", "latin-1")),
        (
            'text/event-stream; x="a; charset=latin-1"; charset=utf-8',
            ("text/event-stream", "utf-8"),
        ),
        (r'text/event-stream; x="\";charset=a"; charset="ut\f-8"', ("text/event-stream", "utf-8")),
        ('text/event-stream; charset="utf-8', ("text/event-stream", "utf-8")),
        ("text/event-stream;; charset = utf-8 ;", ("text/event-stream", "utf-8")),
        ('text/event-stream; x="', ("text/event-stream", "")),
        (";charset=utf-8", ("", "utf-8")),
        ("", ("", "")),
    ],
)
def test_media_type_and_charset_are_found(content_type: str, expected: tuple[str, str]) -> None:
    assert media_type(content_type) == expected
    assert is_event_stream(content_type) == (expected[0] == "text/event-stream")


def test_first_value_of_a_raw_field_is_found() -> None:
    assert header([(b"a", b"1"), (b"b", b"2"), (b"b", b"3")], b"b") == b"2"
    assert header([], b"b") is None


def test_raw_field_is_found_as_text_and_in_any_case() -> None:
    assert header([("X-A", "é")], b"x-a") == "é".encode()
    assert header([(b"X-A", b"1")], b"x-a") == b"1"
    assert header([("x-b", "1")], b"x-a") is None


def test_fields_match_in_any_case_and_keep_each_value() -> None:
    fields = Fields([("X-A", "1"), ("x-a", "2")], fold_case=True)
    assert fields["X-a"] == "1"
    assert fields.get_all("x-A") == ["1", "2"]
    assert dict(fields) == {"x-a": "1"}


@pytest.mark.parametrize("status", [204, 205, 304])
def test_status_without_a_body_is_refused_where_there_is_one(status: int) -> None:
    with pytest.raises(ValueError, match="status must be one with a body"):
        StreamOptions(status=status)
    with pytest.raises(ValueError, match=f"a response with status {status} has no body"):
        Refusal(status, "text")
    assert Refusal(status).body == b""
