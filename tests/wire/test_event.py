"""What an event accepts, and how it refuses the rest."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from sse_asgi.wire import JSONServerSentEvent, ServerSentEvent

CONTROLS = [*map(chr, range(0x20)), "\x7f"]


class Name(StrEnum):
    """Event types as an enum of str."""

    TICK = "tick"


class Mixed(str, Enum):  # noqa: UP042 - it formats as its name, which StrEnum does not
    """Event types as an enum that mixes str in."""

    TICK = "tick"


class Delay(IntEnum):
    """Reconnection times as an enum of int."""

    SHORT = 250


MALFORMED: list[tuple[dict[str, Any], type[Exception], list[str]]] = [
    ({}, ValueError, ["data, retry and comment", "must be given"]),
    ({"data": None}, ValueError, ["data, retry and comment", "must be given"]),
    ({"data": b"x"}, TypeError, ["data", "bytes", "b'x'"]),
    ({"data": bytearray(b"x")}, TypeError, ["data", "bytearray", "item of its own"]),
    ({"data": memoryview(b"x")}, TypeError, ["data", "memoryview"]),
    ({"data": "a\ud800"}, ValueError, ["data", "lone surrogate", "index 1", r"'a\ud800'"]),
    ({"data": "x", "event": 1}, TypeError, ["event", "str", "int: 1"]),
    ({"data": "x", "event": b"tick"}, TypeError, ["event", "str", "bytes: b'tick'"]),
    ({"data": "x", "event": ""}, ValueError, ["event", "empty", "message"]),
    ({"data": "x", "event": "a\nb"}, ValueError, ["event", "CR or LF", r"'a\nb'"]),
    ({"data": "x", "event": "a\rb"}, ValueError, ["event", "CR or LF", r"'a\rb'"]),
    ({"data": "x", "event": "a\r\ndata: b"}, ValueError, ["event", "CR or LF"]),
    ({"data": "x", "event": "\udfff"}, ValueError, ["event", "lone surrogate", r"'\udfff'"]),
    ({"data": "x", "isolate": 1}, TypeError, ["isolate", "bool", "not 1"]),
    ({"data": "x", "isolate": None}, TypeError, ["isolate", "bool", "None"]),
    ({"isolate": True}, ValueError, ["data, retry and comment", "must be given"]),
    ({"data": "x", "event": "error"}, ValueError, ["event", "EventSource", "'error'"]),
    ({"data": "x", "event": "open"}, ValueError, ["event", "EventSource", "'open'"]),
    ({"event": "tick"}, ValueError, ["event", "data", "dispatched", "'tick'"]),
    ({"event": "tick", "retry": 1}, ValueError, ["event", "data"]),
    ({"id": "7"}, ValueError, ["id", "data", "dispatched", "'7'"]),
    ({"id": "", "comment": "x"}, ValueError, ["id", "data"]),
    ({"data": "x", "id": 7}, TypeError, ["id", "str", "int: 7"]),
    ({"data": "x", "id": " 7"}, ValueError, ["id", "space", "' 7'"]),
    ({"data": "x", "id": "7 "}, ValueError, ["id", "space", "'7 '"]),
    ({"data": "x", "id": " "}, ValueError, ["id", "space", "' '"]),
    ({"data": "x", "id": "é "}, ValueError, ["id", "space"]),
    ({"data": "x", "id": "\ud800"}, ValueError, ["id", "lone surrogate"]),
    *(({"data": "x", "id": f"é{c}1"}, ValueError, ["id", "control", "index 1"]) for c in CONTROLS),
    ({"data": "x", "retry": "5"}, TypeError, ["retry", "int", "str: '5'"]),
    ({"data": "x", "retry": 1.0}, TypeError, ["retry", "int", "float: 1.0"]),
    ({"data": "x", "retry": True}, TypeError, ["retry", "int", "bool: True"]),
    ({"data": "x", "retry": False}, TypeError, ["retry", "int", "bool: False"]),
    ({"retry": -1}, ValueError, ["retry", "from 0", "-1"]),
    ({"retry": 2**31}, ValueError, ["retry", "from 0 to 2147483647 milliseconds", str(2**31)]),
    ({"data": "x", "comment": 1}, TypeError, ["comment", "str", "int: 1"]),
    ({"data": "x", "comment": b"c"}, TypeError, ["comment", "str", "bytes: b'c'"]),
    ({"comment": "\udc00"}, ValueError, ["comment", "lone surrogate"]),
]


@pytest.mark.parametrize(("fields", "error", "fragments"), MALFORMED)
def test_malformed_field_is_refused_with_its_name_the_rule_and_the_value(
    fields: dict[str, Any], error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        ServerSentEvent(**fields)
    assert type(caught.value) is error
    assert not [part for part in fragments if part not in str(caught.value)], caught.value


@pytest.mark.parametrize(
    ("fields", "error", "fragments"),
    [case for case in MALFORMED if case[0].get("data") not in (None, "a\ud800")],
)
def test_json_event_refuses_the_same_fields(
    fields: dict[str, Any], error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        JSONServerSentEvent(**fields)
    assert not [part for part in fragments if part not in str(caught.value)], caught.value


def test_message_shows_only_a_part_of_a_large_value() -> None:
    with pytest.raises(ValueError, match="CR or LF") as caught:
        ServerSentEvent("x", event="e" * 100_000 + "\n")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "fields",
    [
        {"data": ""},
        {"data": "a\r\nb\u2028c\x85d\x00"},
        {"data": "\U0001f680"},
        {"data": 0},
        {"data": False},
        {"data": {"key": [1, None]}},
        {"data": "x", "event": "message"},
        {"data": "x", "event": " spaced  out "},
        {"data": "x", "event": "Error"},
        {"data": "x", "event": "tab\t, NUL \0, NEL \x85, LS \u2028"},
        {"data": "x", "event": "событие"},
        {"data": "x", "id": ""},
        {"data": "x", "id": "a b"},
        {"data": "x", "id": "é\x85\xa0\u2028"},
        {"data": "x", "id": "\xa07\xa0"},
        {"retry": 0},
        {"retry": 2**31 - 1},
        {"comment": ""},
        {"comment": "a\r\nb\rc\n"},
        {"data": "x", "event": "tick", "id": "1", "retry": 5, "comment": "c"},
    ],
    ids=repr,
)
def test_well_formed_fields_are_kept_as_they_are(fields: dict[str, Any]) -> None:
    event = ServerSentEvent(**fields)
    names = ("data", "event", "id", "retry", "comment")
    assert {name: getattr(event, name) for name in names} == dict.fromkeys(names) | fields


def test_only_data_can_be_given_by_position() -> None:
    assert ServerSentEvent("x").data == "x"
    with pytest.raises(TypeError):
        ServerSentEvent("x", "tick")  # type: ignore[call-arg]


@pytest.mark.parametrize("data", [None, "text", "\ud800", 1, {"a": 1}])
def test_json_event_takes_any_data_but_bytes(data: object) -> None:
    assert JSONServerSentEvent(data).data == data
    assert JSONServerSentEvent(data, event="tick", id="1").event == "tick"


def test_json_event_needs_data() -> None:
    with pytest.raises(TypeError, match="data"):
        JSONServerSentEvent()  # type: ignore[call-arg]


@pytest.mark.parametrize("member", [Name.TICK, Mixed.TICK])
def test_text_of_a_subclass_of_str_is_its_characters(member: str) -> None:
    event = ServerSentEvent(member, event=member, id=member, comment=member)
    for value in (event.data, event.event, event.id, event.comment):
        assert type(value) is str
        assert value == "tick"


def test_retry_of_a_subclass_of_int_is_its_number() -> None:
    event = ServerSentEvent(retry=Delay.SHORT)
    assert type(event.retry) is int
    assert event.retry == 250


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ServerSentEvent("x"), "ServerSentEvent('x')"),
        (ServerSentEvent(retry=0), "ServerSentEvent(retry=0)"),
        (
            ServerSentEvent([1], event="e", id="", retry=2, comment=""),
            "ServerSentEvent([1], event='e', id='', retry=2, comment='')",
        ),
        (JSONServerSentEvent(None, id="1"), "JSONServerSentEvent(None, id='1')"),
        (ServerSentEvent("x", isolate=True), "ServerSentEvent('x', isolate=True)"),
        (JSONServerSentEvent(1, isolate=True), "JSONServerSentEvent(1, isolate=True)"),
    ],
    ids=repr,
)
def test_representation_is_the_call_that_makes_it(event: ServerSentEvent, expected: str) -> None:
    assert repr(event) == expected
    assert eval(expected) == event


def test_events_compare_by_kind_and_fields() -> None:
    event = ServerSentEvent("x", event="tick", id="1")
    same = ServerSentEvent("x", event="tick", id="1")
    assert event == same
    assert hash(event) == hash(same)
    assert event != ServerSentEvent("x", event="tick", id="2")
    assert ServerSentEvent("x") != JSONServerSentEvent("x")
    assert ServerSentEvent("x") != ServerSentEvent("x", isolate=True)


@pytest.mark.parametrize("name", ["data", "event", "id", "retry", "comment", "isolate"])
@pytest.mark.parametrize("event", [ServerSentEvent("x"), JSONServerSentEvent("x")], ids=repr)
def test_event_cannot_be_changed(event: ServerSentEvent, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(event, name, "y")
    with pytest.raises(FrozenInstanceError):
        delattr(event, name)
    assert not hasattr(event, "__dict__")


@pytest.mark.parametrize("kind", [ServerSentEvent, JSONServerSentEvent])
def test_event_can_be_copied_pickled_and_replaced(kind: type[ServerSentEvent]) -> None:
    event = kind("x", event="tick", id="1", retry=2, comment="c", isolate=True)
    assert copy.copy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event
    assert replace(event, id="2") == kind(
        "x", event="tick", id="2", retry=2, comment="c", isolate=True
    )
    with pytest.raises(ValueError, match="space"):
        replace(event, id=" ")
