"""Which JSON a value becomes without a serializer, and which values have none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import attrs
import fastapi.sse
import httpx_sse
import litestar.response
import msgspec
import pydantic
import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_asgi.wire import (
    Encoder,
    JSONServerSentEvent,
    MessageEvent,
    ServerSentEvent,
    json_default,
    to_json,
)


@dataclass
class Plain:
    """A dataclass with everything that is no field of its instances."""

    at: object
    kind: ClassVar[str] = "plain"
    seed: InitVar[int] = 0
    more: list[object] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Slotted:
    """A dataclass without a ``__dict__``."""

    n: object


@attrs.define
class Defined:
    """A class of attrs."""

    n: object
    _hidden: int = 1


class Model(pydantic.BaseModel):
    """A model that names and hides fields by its own rules."""

    model_config = pydantic.ConfigDict(serialize_by_alias=True)

    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    price: Decimal = pydantic.Field(default=Decimal("1.10"), alias="eur")
    secret: str = pydantic.Field(default="x", exclude=True)
    tags: set[str] = {"a"}


class Root(pydantic.RootModel[list[int]]):
    """A model that is a list."""


class Ratio(pydantic.BaseModel):
    """A model with a number that JSON may lack."""

    ratio: float


@pydantic.dataclasses.dataclass
class Validated:
    """A dataclass of Pydantic's."""

    n: int


class Color(Enum):
    """Values of several types."""

    RED = "red"
    AT = date(2026, 1, 2)


class Size(IntEnum):
    """An int besides."""

    BIG = 3


class Word(StrEnum):
    """A str besides."""

    HI = "hi"


class Bits(Flag):
    """Values that add up."""

    A = 1
    B = 2


class Point(NamedTuple):
    """A tuple to JSON."""

    x: int
    y: Any


class Moment(datetime):
    """A subclass, as pandas and pendulum have one."""


class Loose:
    """An object that has every attribute, like a mock; its type has none."""

    def __getattr__(self, name: str) -> Any:
        """Make up an attribute."""
        return lambda **options: {"made": "up"}

    def __repr__(self) -> str:
        """Return what messages show."""
        return "<loose>"


CASES: list[tuple[object, str]] = [
    (datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05"'),
    (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), '"2026-01-02T03:04:05.000006+00:00"'),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3))), '"2026-01-02T00:00:00-03:00"'),
    (Moment(2026, 1, 2), '"2026-01-02T00:00:00"'),
    (date(2026, 1, 2), '"2026-01-02"'),
    (time(3, 4), '"03:04:00"'),
    (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    (Decimal("1.10"), '"1.10"'),
    (Decimal("-0"), '"-0"'),
    (Decimal("1E+400"), '"1E+400"'),
    (Color.RED, '"red"'),
    (Color.AT, '"2026-01-02"'),
    (Size.BIG, "3"),
    ([Word.HI], '["hi"]'),
    (Bits.A | Bits.B, "3"),
    (Plain(UUID(int=1)), '{"at":"00000000-0000-0000-0000-000000000001","more":[]}'),
    (Slotted(Slotted(Decimal(2))), '{"n":{"n":"2"}}'),
    (make_dataclass("Empty", [])(), "{}"),
    (Defined(time(1)), '{"n":"01:00:00","_hidden":1}'),
    (Model(), '{"at":"2026-01-02T00:00:00Z","eur":"1.10","tags":["a"]}'),
    (Root([1, 2]), "[1,2]"),
    (Validated(1), '{"n":1}'),
    (Point(1, UUID(int=2)), '[1,"00000000-0000-0000-0000-000000000002"]'),
    (OrderedDict(b=[date(2026, 1, 2)], a="é"), '{"b":["2026-01-02"],"a":"é"}'),
]


def _name(value: object) -> str:
    """Return a name without an address: each worker that runs tests must find the same names."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:40]


@pytest.mark.parametrize(("value", "text"), CASES, ids=_name)
def test_value_becomes_its_json(value: object, text: str) -> None:
    assert to_json(value) == text
    assert Encoder().encode(JSONServerSentEvent(value)) == f"data: {text}\n\n".encode()
    assert Encoder().encode({"data": [value]}) == f"data: [{text}]\n\n".encode()


def test_values_may_hold_each_other() -> None:
    value = {"deep": [{"er": (Plain(Defined(Model())),)}]}
    model = {"at": "2026-01-02T00:00:00Z", "eur": "1.10", "tags": ["a"]}
    plain = {"at": {"n": model, "_hidden": 1}, "more": []}
    assert json.loads(to_json(value)) == {"deep": [{"er": [plain]}]}


@pytest.mark.parametrize("value", [Plain(1), Defined(1), Model(), UUID(int=1), Color.RED])
def test_item_that_is_no_event_is_data(value: object) -> None:
    assert Encoder().encode(value) == f"data: {to_json(value)}\n\n".encode()


def endless() -> Plain:
    """Make a dataclass that holds itself."""
    plain = Plain(None)
    plain.at = [plain]
    return plain


REFUSED: list[tuple[object, type[Exception], str]] = [
    ({1, 2}, TypeError, "the type set"),
    (timedelta(1), TypeError, "the type datetime.timedelta"),
    (b"x", TypeError, "the type bytes"),
    (1j, TypeError, "the type complex"),
    (object(), TypeError, "the type object"),
    (Loose(), TypeError, "the type tests.wire.test_json.Loose"),
    (Plain, TypeError, "the type type"),
    (Model, TypeError, "the type pydantic"),
    (Color, TypeError, "the type enum."),
    (ServerSentEvent("x"), TypeError, "one event at a time"),
    (JSONServerSentEvent(1), TypeError, "one event at a time"),
    (fastapi.sse.ServerSentEvent(data="x"), TypeError, "another library (fastapi"),
    (litestar.response.ServerSentEventMessage("x"), TypeError, "another library (lite"),
    (httpx_sse.ServerSentEvent(data="x"), TypeError, "another library (httpx_sse"),
    (MessageEvent("x"), TypeError, "'data': e.data"),
    ({UUID(int=1): 1}, TypeError, "keys must be str"),
    ({date(2026, 1, 2): 1}, TypeError, "keys must be str"),
    (float("nan"), ValueError, "JSON"),
    (Decimal("nan"), ValueError, "Decimal('NaN')"),
    (Decimal("-inf"), ValueError, "Decimal('-Infinity')"),
    (Plain(float("inf")), ValueError, "JSON"),
    (Ratio(ratio=float("nan")), ValueError, "JSON"),
    (endless(), ValueError, "Circular"),
]


@pytest.mark.parametrize(("value", "error", "fragment"), REFUSED, ids=_name)
def test_value_without_json_is_refused_by_its_type(
    value: object, error: type[Exception], fragment: str
) -> None:
    with pytest.raises(error) as caught:
        Encoder().encode({"event": "tick", "data": [value]})
    message = str(caught.value)
    assert message.startswith("data of {'data': [")
    assert fragment in message
    assert message.endswith("convert it, or give an encoder that knows it as serializer=")
    assert len(message) < 500


class Unseen:
    """Something that has neither JSON nor a representation."""

    def __repr__(self) -> str:
        """Fail, as objects of a closed database session do."""
        raise RuntimeError


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"data": {"n": Unseen()}}, "{'data': {'n': an object of type Unseen}}"),
        ({"data": [Unseen()], "retry": 5}, "{'data': [an object of type Unseen], 'retry': 5}"),
        (
            ServerSentEvent([Unseen()], id="7"),
            "ServerSentEvent([an object of type Unseen], id='7')",
        ),
        (JSONServerSentEvent(Unseen()), "JSONServerSentEvent(an object of type Unseen)"),
        (Unseen(), "an object of type Unseen"),
    ],
)
def test_message_shows_what_was_written_and_no_address(item: object, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        Encoder().encode(item)
    assert str(caught.value).startswith(f"data of {shown} cannot be sent as JSON: JSON has no form")
    assert "instance at 0x" not in str(caught.value)


def test_rule_serves_other_encoders() -> None:
    value = {"at": date(2026, 1, 2), "n": Decimal(1)}
    assert json.dumps(value, default=json_default) == '{"at": "2026-01-02", "n": "1"}'


@pytest.mark.parametrize(
    ("serializer", "path"),
    [(msgspec.json.encode, None), (partial(pydantic_core.to_json, inf_nan_mode="null"), '"a"')],
    ids=["msgspec", "pydantic_core"],
)
def test_other_encoders_do_what_the_guide_says(serializer: Any, path: str | None) -> None:
    encode = Encoder(serializer=serializer).encode
    data = [float("nan"), Decimal("1.10"), {1}, timedelta(1), Plain(Color.RED)]
    text = '[null,"1.10",[1],"P1D",{"at":"red","more":[]}]'
    assert encode({"data": data}) == f"data: {text}\n\n".encode()
    if path is not None:
        assert encode({"data": [Path("a")]}) == f"data: [{path}]\n\n".encode()
    else:
        with pytest.raises(TypeError, match=r"data of .* cannot be sent as JSON"):
            encode({"data": [Path("a")]})


def test_rule_imports_nothing() -> None:
    code = "import sys, sse_asgi.wire; print({'uuid', 'decimal', 'pydantic'} & {*sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert found.stdout == "set()\n"


# -- values of every kind, found again -------------------------------------------------------------

zones = st.none() | st.timezones() | st.just(UTC)
leaves: st.SearchStrategy[tuple[object, Callable[[Any], object]]] = st.one_of(
    st.datetimes(timezones=zones).map(lambda at: (at, lambda got: _at(got) == _at(at.isoformat()))),
    st.dates().map(lambda day: (day, lambda got: date.fromisoformat(got) == day)),
    st.times().map(lambda at: (at, lambda got: time.fromisoformat(got) == at)),
    st.uuids().map(lambda value: (value, lambda got: UUID(got) == value)),
    st.decimals(allow_nan=False, allow_infinity=False).map(
        lambda value: (value, lambda got: Decimal(got).as_tuple() == value.as_tuple())
    ),
    st.sampled_from([*Color, *Size]).map(
        lambda it: (it, lambda got: got == json.loads(to_json(it.value)))
    ),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda it: (it, lambda got: got == it)),
)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def held(
    inner: st.SearchStrategy[tuple[object, Callable[[Any], object]]],
) -> st.SearchStrategy[tuple[object, Callable[[Any], object]]]:
    """Hold a value in one of the classes, or in a list."""
    return st.one_of(
        inner.map(lambda one: (Plain(one[0]), lambda got: one[1](got["at"]))),
        inner.map(lambda one: (Slotted(one[0]), lambda got: one[1](got["n"]))),
        inner.map(lambda one: (Defined(one[0]), lambda got: one[1](got["n"]))),
        st.lists(inner).map(
            lambda all_: (
                [one for one, _ in all_],
                lambda got: all(same(part) for (_, same), part in zip(all_, got, strict=True)),
            )
        ),
    )


@given(st.recursive(leaves, held, max_leaves=8))
def test_value_is_found_again_in_its_json(case: tuple[object, Callable[[Any], object]]) -> None:
    value, is_same = case
    block = Encoder().encode(JSONServerSentEvent(value)).decode()
    assert is_same(json.loads(block.removeprefix("data: ")))
