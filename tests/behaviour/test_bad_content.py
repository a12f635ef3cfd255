"""What is no content is refused where it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sse_asgi import Connection, EventStream
from sse_asgi.asgi.content.source import check_content, content_factory
from tests.harness import Peer, serve

ITEMS = ["a", "b", "c"]


class AsyncItems:
    """An asynchronous iterator without ``aclose``."""

    def __init__(self) -> None:
        self._items = iter(ITEMS)

    def __aiter__(self) -> AsyncItems:
        return self

    async def __anext__(self) -> str:
        for item in self._items:
            return item
        raise StopAsyncIteration


async def returns() -> list[str]:
    return ITEMS


async def wants_two(connection: Connection, other: object) -> AsyncIterator[str]:
    yield "a"


async def wants_a_keyword(*, connection: Connection) -> AsyncIterator[str]:
    yield "a"


def returns_nothing(connection: Connection) -> Any:
    connection.headers.get_all("x")


async def returns_nothing_after_a_wait() -> Any:
    return None


class OnlyNext:
    """Has ``__next__``, but is no iterator."""

    def __next__(self) -> str:
        return "a"


BAD_CONTENT: list[tuple[Callable[[], Any], str]] = [
    (lambda: "text", "a str is one item, put it in a list"),
    (lambda: b"data: x\n\n", "a bytes is one item"),
    (lambda: bytearray(), "a bytearray is one item"),
    (lambda: memoryview(b""), "a memoryview is one item"),
    (lambda: {"data": "x"}, "a dict is one item"),
    (lambda: None, "not None"),
    (lambda: 5, "not 5"),
    (lambda: 10**5000, "not an int of 16610 bits"),
    (returns, "not a coroutine: await it, or write 'yield'"),
    (lambda: list, "not <class 'list'>"),
    (lambda: AsyncItems, "not <class .*AsyncItems"),
    (OnlyNext, "not <.*OnlyNext"),
    (lambda: wants_two, "may take one argument, the connection; .*wants_two.*'other'"),
    (lambda: wants_a_keyword, "may take one argument, the connection; .*too many positional"),
]


@pytest.mark.parametrize(("make", "reason"), BAD_CONTENT, ids=[row[1] for row in BAD_CONTENT])
def test_what_is_no_content_is_refused_with_the_reason(
    make: Callable[[], Any], reason: str
) -> None:
    with pytest.raises(TypeError, match=f"^content .*{reason}"):
        EventStream(make())


@pytest.mark.anyio
@pytest.mark.parametrize("function", [returns_nothing, returns_nothing_after_a_wait, print])
async def test_function_without_a_yield_fails_with_the_reason(function: Any) -> None:
    peer = Peer()
    with pytest.raises(TypeError, match="returned must be .* not None: has the function no 'yield"):
        await serve(EventStream(function), peer)
    assert not peer.messages


def test_content_check_names_what_it_was_asked_about() -> None:
    with pytest.raises(TypeError, match="^the feed must be"):
        check_content(5, "the feed")
    assert content_factory(ITEMS)(None) is ITEMS  # type: ignore[arg-type]
