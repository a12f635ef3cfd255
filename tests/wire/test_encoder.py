"""Which bytes each item becomes, and which items have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any

import pytest

from sse_asgi.wire import (
    EncodedBatch,
    Encoder,
    IsolatedBlock,
    JSONServerSentEvent,
    ServerSentEvent,
    encode_comment,
)


class Name(StrEnum):
    """Data as an enum of str."""

    TICK = "tick"


class Mixed(str, Enum):  # noqa: UP042 - it formats as its name, which StrEnum does not
    """Data as an enum that mixes str in."""

    LINES = "tick\ntock"


ITEMS: list[tuple[object, bytes]] = [
    ("hello", b"data: hello\n\n"),
    ("", b"data: \n\n"),
    (" padded ", b"data:  padded \n\n"),
    ("a: b", b"data: a: b\n\n"),
    ("é€😀", "data: é€😀\n\n".encode()),
    ("a\nb", b"data: a\ndata: b\n\n"),
    ("a\rb", b"data: a\ndata: b\n\n"),
    ("a\r\nb", b"data: a\ndata: b\n\n"),
    ("a\n\rb", b"data: a\ndata: \ndata: b\n\n"),
    ("a\r\r\nb", b"data: a\ndata: \ndata: b\n\n"),
    ("\n", b"data: \ndata: \n\n"),
    ("a\n", b"data: a\ndata: \n\n"),
    ("\r\nid: 7\r\n", b"data: \ndata: id: 7\ndata: \n\n"),
    (
        "a\vb\fc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\0",
        "data: a\vb\fc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\0\n\n".encode(),
    ),
    (Name.TICK, b"data: tick\n\n"),
    (Mixed.LINES, b"data: tick\ndata: tock\n\n"),
    (0, b"data: 0\n\n"),
    (1.5, b"data: 1.5\n\n"),
    (True, b"data: true\n\n"),
    ([], b"data: []\n\n"),
    ([1, "é", None, "a\nb"], 'data: [1,"é",null,"a\\nb"]\n\n'.encode()),
    ((1, {"a": 2}), b'data: [1,{"a":2}]\n\n'),
    (b"data: x\n\n", b"data: x\n\n"),
    (b"data: x\r\n\r\n", b"data: x\r\n\r\n"),
    (b"data: x\r\r", b"data: x\r\r"),
    (b"data: x\n\r\n", b"data: x\n\r\n"),
    (b"data: x\r\r\n", b"data: x\r\r\n"),
    (b"data: x\r\n\n", b"data: x\r\n\n"),
    (b"data: x\r\n\r", b"data: x\r\n\r"),
    (b"data: \xff\n\ndata: 2\n\n", b"data: \xff\n\ndata: 2\n\n"),
    (EncodedBatch(b"data: 1\n\ndata: 2\n\n", 2), b"data: 1\n\ndata: 2\n\n"),
    (ServerSentEvent("x"), b"data: x\n\n"),
    (ServerSentEvent("a\r\nb\n"), b"data: a\ndata: b\ndata: \n\n"),
    (ServerSentEvent({"a": [1.5]}), b'data: {"a":[1.5]}\n\n'),
    (ServerSentEvent(0), b"data: 0\n\n"),
    (ServerSentEvent(False), b"data: false\n\n"),
    (ServerSentEvent("x", event="tick"), b"event: tick\ndata: x\n\n"),
    (ServerSentEvent("x", id="7"), b"id: 7\ndata: x\n\n"),
    (ServerSentEvent("x", id=""), b"id: \ndata: x\n\n"),
    (ServerSentEvent(retry=0), b"retry: 0\n\n"),
    (ServerSentEvent(comment=""), b":\n\n"),
    (ServerSentEvent(comment="hi"), b": hi\n\n"),
    (ServerSentEvent(comment="a\r\nb\rc\n"), b": a\n: b\n: c\n: \n\n"),
    (ServerSentEvent(comment="x\n\ndata: y"), b": x\n: \n: data: y\n\n"),
    (
        ServerSentEvent("a\nb", event="é", id="1", retry=5, comment="c\nd"),
        ": c\n: d\nid: 1\nevent: é\nretry: 5\ndata: a\ndata: b\n\n".encode(),
    ),
    (JSONServerSentEvent("a\nb"), b'data: "a\\nb"\n\n'),
    (JSONServerSentEvent(None), b"data: null\n\n"),
    (JSONServerSentEvent([1], event="e", id="2"), b"id: 2\nevent: e\ndata: [1]\n\n"),
    ({"data": "x"}, b"data: x\n\n"),
    ({"data": {"n": 1}, "event": "tick", "id": "3"}, b'id: 3\nevent: tick\ndata: {"n":1}\n\n'),
    ({"data": None, "retry": 5}, b"retry: 5\n\n"),
]


@pytest.mark.parametrize(
    "item",
    [
        ServerSentEvent("x", event="key", isolate=True),
        JSONServerSentEvent({"a": 1}, isolate=True),
        {"data": "x", "isolate": True},
        IsolatedBlock(b"data: x\n\n"),
    ],
    ids=repr,
)
def test_block_of_an_event_to_isolate_says_so_and_is_the_same_otherwise(item: Any) -> None:
    block = Encoder().encode(item)
    assert type(block) is IsolatedBlock
    if isinstance(item, ServerSentEvent):
        assert block == Encoder().encode(replace(item, isolate=False))


@pytest.mark.parametrize("item", ["x", {"data": "x"}, {"data": "x", "isolate": False}, b"data\n\n"])
def test_block_of_any_other_item_is_plain_bytes(item: object) -> None:
    assert type(Encoder().encode(item)) is bytes


@pytest.mark.parametrize(("item", "block"), ITEMS, ids=repr)
def test_item_becomes_its_block(item: object, block: bytes) -> None:
    encoder = Encoder()
    assert encoder.encode(item) == block
    assert encoder(item) == block


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("item", "block"), ITEMS, ids=repr)
def test_separator_ends_every_line_that_is_written(
    item: object, block: bytes, separator: str
) -> None:
    already_encoded = isinstance(item, bytes | EncodedBatch)
    expected = block if already_encoded else block.replace(b"\n", separator.encode())
    assert Encoder(separator=separator).encode(item) == expected


class Unknown:
    """Something that has no JSON."""

    def __repr__(self) -> str:
        """Return what messages name."""
        return "<unknown>"


CYCLE: list[object] = []
CYCLE.append(CYCLE)

MALFORMED: list[tuple[object, type[Exception], list[str]]] = [
    (None, TypeError, ["item", "None"]),
    (bytearray(b"data: x\n\n"), TypeError, ["item", "bytearray(b'data: x"]),
    (memoryview(b"data: x\n\n"), TypeError, ["item", "<memory"]),
    (b"", ValueError, ["bytes", "blank line", "b''"]),
    (b"\n", ValueError, ["bytes", "blank line"]),
    (b"data: x", ValueError, ["bytes", "blank line", "b'data: x'"]),
    (b"data: x\n", ValueError, ["bytes", "blank line"]),
    (b"data: x\r", ValueError, ["bytes", "blank line"]),
    (b"data: x\r\n", ValueError, ["bytes", "blank line"]),
    (b"data: x\n\ndata: y\n", ValueError, ["bytes", "blank line"]),
    ("a\ud800", ValueError, ["data", "lone surrogate", "index 1"]),
    ("a\nb\udfff", ValueError, ["data", "lone surrogate", "index 3"]),
    (["\ud800"], ValueError, ["JSON", "lone surrogate", r"['\ud800']"]),
    (JSONServerSentEvent("\ud800"), ValueError, ["JSON", "lone surrogate"]),
    (float("nan"), ValueError, ["nan", "JSON"]),
    ([1, float("inf")], ValueError, ["[1, inf]", "JSON"]),
    (CYCLE, ValueError, ["JSON"]),
    (Unknown(), TypeError, ["<unknown>", "JSON", "Unknown"]),
    ({1, 2}, TypeError, ["{1, 2}", "JSON", "set"]),
    (ServerSentEvent(Fraction(1)), TypeError, ["ServerSentEvent(Fraction(1, 1))", "fractions.Fra"]),
    ({"data": {b"k": 1}}, TypeError, ["{'data': {b'k': 1}}", "JSON"]),
    ({}, ValueError, ["must be given", "{}"]),
    ({"datum": 1}, TypeError, ["unknown field 'datum'", "{'datum': 1}", "event, id, retry"]),
    ({"data": "x", "name": "y"}, TypeError, ["unknown field 'name'", "'data': 'x'"]),
    ({"self": 1}, TypeError, ["unknown field 'self'"]),
    ({"data": "x", 5: 6}, TypeError, ["unknown field 5", "5: 6"]),
    ({"data": "x", "event": ""}, ValueError, ["event", "empty", "'data': 'x'"]),
    ({"data": "x", "id": 7}, TypeError, ["id", "int: 7", "'data': 'x'"]),
    ({"data": b"x"}, TypeError, ["data", "bytes", "{'data': b'x'}"]),
    ({"id": "7"}, ValueError, ["id", "data", "{'id': '7'}"]),
]


@pytest.mark.parametrize(("item", "error", "fragments"), MALFORMED)
def test_malformed_item_is_refused_with_its_name_and_the_rule(
    item: object, error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        Encoder().encode(item)
    assert type(caught.value) is error
    assert not [part for part in fragments if part not in str(caught.value)], caught.value


@pytest.mark.parametrize(
    "item",
    ["\ud800" * 100_000, b"x" * 100_000, {"data": "x" * 100_000, "id": 1}, [Unknown()] * 100_000],
    ids=["text", "bytes", "dict", "list"],
)
def test_message_shows_only_a_part_of_a_large_item(item: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Encoder().encode(item)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("separator", ["", "\n\r", "\u2028", "\n\n", b"\n", None])
def test_only_the_three_line_endings_are_separators(separator: Any) -> None:
    with pytest.raises(ValueError, match="separator") as caught:
        Encoder(separator=separator)
    assert repr(separator) in str(caught.value)
    with pytest.raises(ValueError, match="separator"):
        encode_comment("x", separator)


def test_serializer_must_be_callable() -> None:
    with pytest.raises(TypeError, match="serializer must be callable, not 'json'"):
        Encoder(serializer="json")  # type: ignore[arg-type]


def as_bytes(value: object) -> bytes:
    """Serialize as orjson and msgspec do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def on_lines(value: object) -> str:
    """Serialize on several lines."""
    return json.dumps(value, indent=1)


@pytest.mark.parametrize(
    ("serializer", "block"),
    [
        (as_bytes, 'data: ["é",{"a":1}]\n\n'.encode()),
        (json.dumps, b'data: ["\\u00e9", {"a": 1}]\n\n'),
        (
            on_lines,
            b'data: [\ndata:  "\\u00e9",\ndata:  {\ndata:   "a": 1\ndata:  }\ndata: ]\n\n',
        ),
        (lambda value: Mixed.LINES, b"data: tick\ndata: tock\n\n"),
        (lambda value: b"a\r\nb\rc", b"data: a\ndata: b\ndata: c\n\n"),
    ],
)
@pytest.mark.parametrize("wrap", [list, ServerSentEvent, lambda value: {"data": value}])
def test_serializer_writes_all_data_that_is_not_text(
    serializer: Callable[[object], str | bytes], block: bytes, wrap: Callable[[object], object]
) -> None:
    encoder = Encoder(serializer=serializer)
    assert encoder.encode(wrap(["é", {"a": 1}])) == block
    assert encoder.encode("text") == b"data: text\n\n"


def test_surrogate_that_the_serializer_escapes_is_sent() -> None:
    encoder = Encoder(serializer=json.dumps)
    assert encoder.encode(JSONServerSentEvent("\ud800")) == b'data: "\\ud800"\n\n'


def fail(error: Exception) -> Callable[[object], str]:
    """Make a serializer that raises."""

    def serializer(value: object) -> str:
        raise error

    return serializer


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (TypeError("no such type"), TypeError),
        (ValueError("no such value"), ValueError),
        (KeyError("no such key"), ValueError),
        (RecursionError("too deep"), ValueError),
    ],
    ids=repr,
)
def test_error_of_the_serializer_names_the_item_and_keeps_its_cause(
    cause: Exception, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        Encoder(serializer=fail(cause)).encode(["x"])
    assert type(caught.value) is error
    assert caught.value.__cause__ is cause
    assert "['x']" in str(caught.value)
    assert str(cause) in str(caught.value)


@pytest.mark.parametrize("result", [None, 1, bytearray(b"1"), ["1"]], ids=repr)
def test_serializer_must_return_str_or_bytes(result: Any) -> None:
    with pytest.raises(TypeError, match="serializer must return str or bytes") as caught:
        Encoder(serializer=lambda value: result).encode(["x"])
    assert repr(result) in str(caught.value)
    assert "['x']" in str(caught.value)


@pytest.mark.parametrize("result", [b"\xff", b"\xed\xa0\x80"])
def test_serializer_must_return_utf8(result: bytes) -> None:
    with pytest.raises(ValueError, match=r"\['x'\] cannot be sent as JSON"):
        Encoder(serializer=lambda value: result).encode(["x"])


@pytest.mark.parametrize(
    ("text", "separator", "block"),
    [
        ("", "\n", b":\n\n"),
        ("", "\r\n", b":\r\n\r\n"),
        ("ping", "\n", b": ping\n\n"),
        ("a\nb\r\nc\rd", "\n", b": a\n: b\n: c\n: d\n\n"),
        ("a\r\nb", "\r", b": a\r: b\r\r"),
        ("x\n\ndata: y", "\r\n", b": x\r\n: \r\n: data: y\r\n\r\n"),
        ("a\u2028b\x85c\fd", "\n", ": a\u2028b\x85c\fd\n\n".encode()),
        (Mixed.LINES, "\n", b": tick\n: tock\n\n"),
    ],
)
def test_comment_is_split_on_every_line_ending(text: str, separator: str, block: bytes) -> None:
    assert encode_comment(text, separator) == block


@pytest.mark.parametrize(
    ("text", "error", "fragment"),
    [
        (b"x", TypeError, "comment must be a str, not bytes"),
        (None, TypeError, "comment must be a str, not NoneType"),
        ("\ud800", ValueError, "comment must not contain a lone surrogate"),
    ],
)
def test_comment_must_be_text(text: Any, error: type[Exception], fragment: str) -> None:
    with pytest.raises(error, match=fragment):
        encode_comment(text)
