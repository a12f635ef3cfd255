"""Every refusal of an argument names the field, the rule and the value."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from sse_asgi import checks

INF, NAN = float("inf"), float("nan")

REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: checks.integer("n", "1", least=1), TypeError, "n must be an int, not '1'"),
    (lambda: checks.integer("n", True, least=1), TypeError, "n must be an int, not True"),
    (lambda: checks.integer("n", 0, least=1), ValueError, "n must be 1 or above, not 0"),
    (lambda: checks.integer("n", 9, least=1, most=8), ValueError, "n must be from 1 to 8, not 9"),
    (
        lambda: checks.integer("n", 1.0, least=1, unit="bytes"),
        TypeError,
        "n must be an int (bytes), not 1.0",
    ),
    (lambda: checks.optional_integer("n", "1", least=1), TypeError, "n must be an int or None"),
    (
        lambda: checks.optional_integer("n", 0, least=1),
        ValueError,
        "n must be 1 or above, or None for no limit, not 0",
    ),
    (lambda: checks.seconds("t", "1"), TypeError, "t must be a number of seconds, not '1'"),
    (lambda: checks.seconds("t", False), TypeError, "t must be a number of seconds, not False"),
    (lambda: checks.seconds("t", -1), ValueError, "t must be 0 or above, not -1"),
    (lambda: checks.seconds("t", NAN), ValueError, "t must be 0 or above, not nan"),
    (lambda: checks.seconds("t", INF), ValueError, "t must be 0 or above, not inf"),
    (
        lambda: checks.seconds("t", 61, least=0.05, most=60),
        ValueError,
        "t must be from 0.05 to 60 seconds, not 61",
    ),
    (
        lambda: checks.optional_seconds("t", 0),
        ValueError,
        "t must be above 0, or None for never, not 0",
    ),
    (
        lambda: checks.optional_seconds("t", INF, none="no limit"),
        ValueError,
        "t must be above 0, or None for no limit, not inf",
    ),
    (
        lambda: checks.milliseconds_range("r", [1, 2]),
        TypeError,
        "r must be two ints (milliseconds), not [1, 2]",
    ),
    (
        lambda: checks.optional_milliseconds_range("r", [1, 2]),
        TypeError,
        "r must be two ints (milliseconds) or None, not [1, 2]",
    ),
    (
        lambda: checks.optional_milliseconds_range("r", (2, 1)),
        ValueError,
        "r must be two rising numbers of milliseconds from 0 to 2147483647, not (2, 1)",
    ),
    (
        lambda: checks.integer("n", 0, least=1_000_000, most=2**31),
        ValueError,
        "n must be from 1000000 to 2147483648, not 0",
    ),
    (lambda: checks.seconds("t", 10**400), ValueError, "t must be at most 1.79769e+308 seconds"),
    (
        lambda: checks.optional_seconds("t", 10**400),
        ValueError,
        "t must be at most 1.79769e+308 seconds",
    ),
    (
        lambda: checks.seconds("t", -(10**400)),
        ValueError,
        "t must be 0 or above, not -1000",
    ),
    (
        lambda: checks.integer("n", 10**5000, least=0, most=9),
        ValueError,
        "n must be from 0 to 9, not an int of 16610 bits",
    ),
    (
        lambda: checks.milliseconds_range("r", (2, 1)),
        ValueError,
        "r must be two rising numbers of milliseconds from 0 to 2147483647, not (2, 1)",
    ),
    (lambda: checks.milliseconds_range("r", (0, 1), least=1), ValueError, "from 1 to"),
    (lambda: checks.milliseconds_range("r", (1, 2**31)), ValueError, "to 2147483647"),
    (lambda: checks.flag("f", 1), TypeError, "f must be a bool, not 1"),
    (lambda: checks.function("f", None), TypeError, "f must be callable, not None"),
    (lambda: checks.optional_function("f", "x"), TypeError, "f must be callable, not 'x'"),
    (
        lambda: checks.choice("c", "z", ("a", "b", None)),
        ValueError,
        "c must be 'a', 'b' or None, not 'z'",
    ),
    (lambda: checks.choice("c", [], ("a", "b")), ValueError, "c must be 'a' or 'b', not []"),
    (lambda: checks.text("s", 1), TypeError, "s must be a str, not 1"),
    (lambda: checks.text("s", 1, optional=True), TypeError, "s must be a str or None, not 1"),
    (lambda: checks.text("s", "", empty=False), ValueError, "s must not be empty"),
    (lambda: checks.status("200"), TypeError, "status must be an int, not '200'"),
    (lambda: checks.status(101), ValueError, "status must be from 200 to 599, not 101"),
]


@pytest.mark.parametrize(("check", "error", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_wrong_argument_is_refused(
    check: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        check()
    assert message in str(raised.value)


ACCEPTED: list[tuple[object, object]] = [
    (checks.integer("n", 5, least=5, most=5), 5),
    (checks.optional_integer("n", None, least=1), None),
    (checks.seconds("t", 0), 0),
    (checks.optional_seconds("t", None), None),
    (checks.optional_seconds("t", 0.5), 0.5),
    (checks.milliseconds_range("r", (0, checks.MAX_RETRY)), (0, checks.MAX_RETRY)),
    (checks.optional_milliseconds_range("r", None), None),
    (checks.optional_milliseconds_range("r", (1, 2)), (1, 2)),
    (checks.seconds("t", 10**300), 10**300),
    (checks.flag("f", True), True),
    (checks.function("f", len), len),
    (checks.optional_function("f", None), None),
    (checks.choice("c", None, ("a", None)), None),
    (checks.text("s", ""), ""),
    (checks.text("s", None, optional=True), None),
    (checks.status(599), 599),
]


@pytest.mark.parametrize(("returned", "given"), ACCEPTED)
def test_right_argument_is_returned(returned: object, given: object) -> None:
    assert returned == given


def test_member_of_an_enum_is_taken_as_the_number_that_it_is() -> None:
    status: Any = checks.status(HTTPStatus.ACCEPTED)
    assert f"{status!r}" == "202"


def test_value_in_a_message_is_cut_to_a_readable_length() -> None:
    assert len(checks.refuse("s", "short", "x" * 10_000)) < 100


class Hostile:
    """An object whose representation fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no representation")


# Its name is that of a type of which the shortening knows the parts.
array: Any = type("array", (Hostile,), {})


@pytest.mark.parametrize(
    "value",
    [Hostile(), [Hostile()], array(), 10**5000, [-(10**5000)]],
    ids=["object", "list", "named array", "int", "list of int"],
)
def test_value_that_has_no_representation_is_still_named(value: object) -> None:
    message = checks.refuse("n", "a number", value)
    assert message.startswith("n must be a number, not ")
    assert len(message) < 150
