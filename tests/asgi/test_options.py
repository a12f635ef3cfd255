"""Every wrong option is refused where it is given, with its name and the rule."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sse_asgi import EventSourceApp, EventStream, StreamOptions
from sse_asgi.asgi import Connection, StreamKeywords

SECONDS = ("ping", "send_timeout", "max_lifetime")
SECONDS_FROM_ZERO = ("start_timeout", "shutdown_grace", "cleanup_timeout")


async def handler(connection: Connection) -> AsyncIterator[str]:
    yield "a"


def options_of_time() -> list[tuple[str, object, type[Exception], str]]:
    rows: list[tuple[str, object, type[Exception], str]] = []
    for name in (*SECONDS, *SECONDS_FROM_ZERO):
        optional = name in SECONDS
        rule = "above 0, or None for never" if optional else "0 or above"
        rows += [
            (name, value, ValueError, f"{name} must be {rule}, not ")
            for value in (-1, -0.5, float("nan"), float("inf"), *([0, 0.0] if optional else []))
        ]
        rows += [
            (name, value, TypeError, f"{name} must be a number of seconds, not ")
            for value in ("15", True, False, b"1", [1], 1j, *([] if optional else [None]))
        ]
    return rows


BAD_OPTIONS: list[tuple[str, object, type[Exception], str]] = [
    *options_of_time(),
    ("status", "200", TypeError, "status must be an int, not '200'"),
    ("status", True, TypeError, "status must be an int, not True"),
    ("status", 200.0, TypeError, "status must be an int, not 200.0"),
    ("status", None, TypeError, "status must be an int, not None"),
    ("status", 199, ValueError, "status must be from 200 to 599, not 199"),
    ("status", 600, ValueError, "status must be from 200 to 599, not 600"),
    ("status", 204, ValueError, "status must be one with a body"),
    ("status", 304, ValueError, "status must be one with a body"),
    ("headers", 5, TypeError, "headers must be a mapping or pairs of str, not 5"),
    ("headers", 0, TypeError, "headers must be a mapping or pairs of str, not 0"),
    ("headers", "a: b", TypeError, "headers must be a mapping or pairs of str, not 'a: b'"),
    ("headers", [("a", "b", "c")], TypeError, "headers must be pairs of str, not"),
    ("headers", [["a", "b"]], TypeError, "headers must be pairs of str, not"),
    ("headers", {"a": 5}, TypeError, "headers must be pairs of str, not"),
    ("headers", [(b"a", b"b")], TypeError, "headers must be pairs of str, not"),
    ("headers", {"": "b"}, ValueError, "headers: '' is not a field name"),
    ("headers", {"a b": "c"}, ValueError, "headers: 'a b' is not a field name"),
    ("headers", {"a:": "c"}, ValueError, "headers: 'a:' is not a field name"),
    ("headers", {"a\n": "c"}, ValueError, "is not a field name"),
    ("headers", {"ž": "c"}, ValueError, "headers: 'ž' is not a field name"),
    ("headers", {"a": "b\r\nc: d"}, ValueError, "of 'a' holds control characters"),
    ("headers", {"a": "b\n"}, ValueError, "of 'a' holds control characters"),
    ("headers", {"a": "\0"}, ValueError, "of 'a' holds control characters"),
    ("headers", {"a": "\x7f"}, ValueError, "of 'a' holds control characters"),
    ("headers", {"a": " b"}, ValueError, "of 'a' holds control characters or outer space"),
    ("headers", {"a": "b\t"}, ValueError, "of 'a' holds control characters or outer space"),
    ("headers", {"a": "ž"}, ValueError, "headers: the value 'ž' of 'a' is not Latin-1"),
    ("headers", {"Connection": "close"}, ValueError, "headers: 'Connection' must not be set"),
    ("headers", {"Keep-Alive": "5"}, ValueError, "headers: 'Keep-Alive' must not be set"),
    ("headers", {"Upgrade": "h2c"}, ValueError, "headers: 'Upgrade' must not be set"),
    ("headers", {"proxy-connection": "x"}, ValueError, "'proxy-connection' must not be set"),
    ("headers", {"content-length": "1"}, ValueError, "'content-length' must not be set"),
    ("headers", {"transfer-encoding": "x"}, ValueError, "'transfer-encoding' must not be set"),
    ("retry", 0, ValueError, "retry must not be 0"),
    ("retry", -1, ValueError, "retry"),
    ("retry", 1.5, TypeError, "retry"),
    ("retry", True, TypeError, "retry"),
    ("retry", "5", TypeError, "retry"),
    ("retry", 2**31, ValueError, "retry"),
    ("farewell_retry", 5, TypeError, "farewell_retry must be two ints (milliseconds) or None"),
    ("farewell_retry", (1,), TypeError, "farewell_retry must be two ints"),
    ("farewell_retry", (1, 2, 3), TypeError, "farewell_retry must be two ints"),
    ("farewell_retry", [1, 2], TypeError, "farewell_retry must be two ints"),
    ("farewell_retry", (1, 2.0), TypeError, "farewell_retry must be two ints"),
    ("farewell_retry", (False, True), TypeError, "farewell_retry must be two ints"),
    ("farewell_retry", (2, 1), ValueError, "farewell_retry must be two rising numbers"),
    ("farewell_retry", (-1, 1), ValueError, "farewell_retry must be two rising numbers"),
    ("farewell_retry", (0, 2**31), ValueError, "farewell_retry must be two rising numbers"),
    ("separator", "", ValueError, "separator must be"),
    ("separator", "\n\n", ValueError, "separator must be"),
    ("separator", b"\n", ValueError, "separator must be"),
    ("separator", None, ValueError, "separator must be"),
    ("serializer", "json", TypeError, "serializer must be callable"),
    ("compression", "gzip", ValueError, "compression must be 'auto', 'pages' or None, not 'gzip'"),
    ("compression", "", ValueError, "compression must be 'auto', 'pages' or None, not ''"),
    ("compression", True, TypeError, "compression must be 'auto', 'pages' or None, not True"),
    ("compression", ["auto"], TypeError, "compression must be 'auto', 'pages' or None"),
    ("on_close", "x", TypeError, "on_close must be callable, not 'x'"),
    ("on_error", 5, TypeError, "on_error must be callable, not 5"),
    ("ping_always", 1, TypeError, "ping_always must be a bool, not 1"),
    ("ping_always", None, TypeError, "ping_always must be a bool, not None"),
    ("ping_message", "x", TypeError, "ping_message must be callable, not 'x'"),
    ("window", -0.1, ValueError, "window must be from 0 to 10 seconds, not -0.1"),
    ("window", 50, ValueError, "window must be from 0 to 10 seconds, not 50"),
    ("window", float("nan"), ValueError, "window must be from 0 to 10 seconds, not nan"),
    ("window", "0.05", TypeError, "window must be a number of seconds, not '0.05'"),
    ("window", True, TypeError, "window must be a number of seconds, not True"),
    ("key", 7, TypeError, "key must be a str, several, or None, not 7"),
    ("key", b"user:7", TypeError, "key must be a str, several, or None, not b'user:7'"),
    ("key", ["user", 7], TypeError, "key must be a str, several, or None, not"),
    ("key", "", ValueError, "key must be a text that is not empty, not ''"),
    ("key", iter(["user"]), TypeError, "key must be a str, a list of them, or None"),
    ("key", [str(n) for n in range(101)], ValueError, "key must be at most 100 texts, not 101"),
    ("expires_at", "soon", TypeError, "expires_at must be a POSIX time in seconds"),
    ("expires_at", True, TypeError, "expires_at must be a POSIX time in seconds"),
    ("expires_at", 3600, ValueError, "expires_at must be a POSIX time in seconds, such as time"),
    ("expires_at", 1.8e12, ValueError, "expires_at must be a POSIX time in seconds"),
    ("expires_at", float("inf"), ValueError, "expires_at must be a POSIX time in seconds"),
    ("expires_at", float("nan"), ValueError, "expires_at must be a POSIX time in seconds"),
    ("revalidate", True, TypeError, "revalidate must be callable, not True"),
    ("revalidate_interval", 0, ValueError, "revalidate_interval must be 0.1 or above, not 0"),
    ("revalidate_interval", None, TypeError, "revalidate_interval must be a number of seconds"),
    ("pings", 15, TypeError, "pings"),
]

BAD_APP_OPTIONS: list[tuple[str, object, type[Exception], str]] = [
    ("methods", (), ValueError, "methods must name at least one method"),
    ("methods", "get", ValueError, "methods must be of DELETE, GET, .*, not 'get'"),
    ("methods", ("GET", "TRACE"), ValueError, "methods must be of .*, not 'TRACE'"),
    ("methods", ["GET", 5], ValueError, "methods must be of .*, not 5"),
    ("methods", [["GET"]], ValueError, r"methods must be of .*, not \['GET'\]"),
    ("methods", 5, TypeError, "methods must be names of methods, not 5"),
    ("methods", None, TypeError, "methods must be names of methods, not None"),
    ("max_body", -1, ValueError, "max_body must be 0 or above, not -1"),
    ("max_body", 1.0, TypeError, "max_body must be an int, not 1.0"),
    ("max_body", True, TypeError, "max_body must be an int, not True"),
    ("max_body", None, TypeError, "max_body must be an int, not None"),
    ("max_connections", 0, ValueError, "max_connections must be 1 or above, or None"),
    ("max_connections", "5", TypeError, "max_connections must be an int or None, not '5'"),
    ("max_connections", True, TypeError, "max_connections must be an int or None"),
    (
        "max_connections_per_client",
        -1,
        ValueError,
        "max_connections_per_client must be 1 or above",
    ),
    ("max_connections_per_client", 1.5, TypeError, "max_connections_per_client must be an int"),
    ("client_key", None, TypeError, "client_key must be callable, not None"),
    ("when_full", "drop", ValueError, "when_full must be 'retry' or '503', not 'drop'"),
    ("when_full", 503, ValueError, "when_full must be 'retry' or '503', not 503"),
    ("when_full", [], ValueError, "when_full must be"),
    ("ping", 0, ValueError, "ping must be above 0"),
    ("max_connection", 5, TypeError, "max_connection"),
]


def name_of(row: tuple[str, object, type[Exception], str]) -> str:
    return f"{row[0]}={row[1]!r}".partition(" at 0x")[0]


@pytest.mark.parametrize("row", BAD_OPTIONS, ids=name_of)
def test_wrong_option_of_a_stream_is_refused(row: tuple[str, Any, type[Exception], str]) -> None:
    name, value, error, message = row
    options: Any = {name: value}
    for make in (StreamOptions, lambda **o: EventStream(["a"], **o)):
        with pytest.raises(error) as raised:
            make(**options)
        assert message in str(raised.value)


@pytest.mark.parametrize("row", BAD_APP_OPTIONS, ids=name_of)
def test_wrong_option_of_an_app_is_refused(row: tuple[str, Any, type[Exception], str]) -> None:
    name, value, error, message = row
    options: Any = {name: value}
    with pytest.raises(error, match=message):
        EventSourceApp(handler, **options)


GOOD_OPTIONS: list[dict[str, Any]] = [
    {"ping": None, "send_timeout": None, "max_lifetime": None},
    {"ping": 0.001, "send_timeout": 1, "max_lifetime": 1e9},
    {"start_timeout": 0, "shutdown_grace": 0.0, "cleanup_timeout": 0},
    {"compression": "auto"},
    {"compression": "pages"},
    {"compression": None},
    {"status": 200},
    {"status": 599},
    {"headers": None},
    {"headers": {}},
    {"headers": (pair for pair in [("X-A", "é\tx")])},
    {"headers": [("a", ""), ("a", "b c")]},
    {"retry": 1},
    {"retry": 2**31 - 1},
    {"farewell_retry": None},
    {"farewell_retry": (0, 0)},
    {"farewell_retry": (0, 2**31 - 1)},
    {"separator": "\r"},
    {"serializer": json.dumps},
    {"on_close": print, "on_error": repr},
]


@pytest.mark.parametrize("options", GOOD_OPTIONS, ids=", ".join)
def test_right_options_are_accepted(options: dict[str, Any]) -> None:
    stream = EventStream(["a"], **options)
    for name, value in options.items():
        assert getattr(stream.options, name) == value


def test_options_are_those_of_the_documentation_by_default() -> None:
    options = EventStream(["a"]).options
    assert options == StreamOptions() == EventSourceApp(handler).options
    assert (options.ping, options.send_timeout, options.start_timeout) == (15, 30, 1)
    assert (options.shutdown_grace, options.cleanup_timeout) == (1, 5)
    assert (options.max_lifetime, options.retry) == (None, None)
    assert options.farewell_retry == (1000, 5000)


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        StreamOptions().ping = 5  # type: ignore[misc]


OWNERS: list[tuple[Any, str]] = [
    (lambda **options: EventStream(["a"], **options), "EventStream has no option 'pings'"),
    (
        lambda **options: EventSourceApp(lambda connection: ["a"], **options),
        "EventSourceApp has no option 'pings': its options are methods, max_body, ",
    ),
    (
        StreamOptions,
        "StreamOptions has no option 'pings': its options are status, headers, incremental, ping,",
    ),
]


@pytest.mark.parametrize(("make", "message"), OWNERS, ids=[row[1][:12] for row in OWNERS])
def test_unknown_option_is_refused_by_a_message_that_names_the_known(
    make: Any, message: str
) -> None:
    with pytest.raises(TypeError) as raised:
        make(ping=5, pings=5)
    assert message in str(raised.value)
    assert "cleanup_timeout" in str(raised.value)


def test_options_that_are_named_to_users_are_all_and_no_others() -> None:
    fields = {field.name for field in dataclasses.fields(StreamOptions) if field.init}
    assert set(StreamKeywords.__annotations__) == fields
    taken = set(inspect.signature(EventSourceApp).parameters) - {"handler", "options"}
    with pytest.raises(TypeError) as raised:
        EventSourceApp(lambda connection: ["a"], pings=5)  # type: ignore[call-arg]
    named = str(raised.value).partition("options are ")[2].split(", ")
    assert set(named) == fields | taken


def test_options_can_be_copied_and_pickled() -> None:
    options = StreamOptions(ping=5, status=202)
    assert copy.copy(options) == dataclasses.replace(options) == options
