"""The content of an event stream: every kind of it, as one asynchronous iterator."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import closing
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from anyio import EndOfStream, WouldBlock

from ...wire import EncodedBatch
from ...wire.batch import encode_batch
from .threaded import ThreadedIterator

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

    from ..connection import Connection
    from ..loop import LoopState

__all__ = [
    "Content",
    "ContentSource",
    "Given",
    "GivenOnce",
    "adapted",
    "check_content",
    "close_content",
    "content_factory",
    "open_content",
    "required_parameters",
    "to_discard",
    "unclosed",
]

Content: TypeAlias = AsyncIterable[Any] | Iterable[Any]
"""Items, one after the other: any iterable, asynchronous or not, or an anyio receive stream."""

ContentSource: TypeAlias = Content | Callable[[], Content] | Callable[["Connection"], Content]
"""Content, or a generator function that makes it anew for each connection, which it may ask for."""

Encode = Callable[[object], bytes]

EXPECTED = "an iterable (asynchronous or not), a generator function or an anyio receive stream"


def check_content(content: object, name: str = "content") -> None:
    """Refuse what cannot be iterated over item by item.

    :raises TypeError: with the reason, naming ``name``
    """
    if isinstance(content, AsyncGeneratorType):
        return  # the usual content, and the other questions take their time
    if isinstance(content, (str, bytes, bytearray, memoryview, Mapping)):
        kind = type(content).__name__
        raise TypeError(f"{name} must be {EXPECTED}; a {kind} is one item, put it in a list")
    if inspect.iscoroutine(content):
        content.close()
        raise TypeError(f"{name} must be {EXPECTED}, not a coroutine: await it, or write 'yield'")
    if not isinstance(content, (AsyncIterable, Iterable)):
        raise TypeError(f"{name} must be {EXPECTED}, not {content!r}")


def content_factory(source: ContentSource) -> Callable[[Connection], Content]:
    """Return a function that gives the content for a connection.

    :raises TypeError: ``source`` is neither content nor a function that makes it
    """
    content: Any = source
    if isinstance(content, (AsyncIterator, Iterator)):
        return GivenOnce(content)
    if inspect.isasyncgenfunction(content) or inspect.isgeneratorfunction(content):
        wanted = min(required_parameters(content), 1)
        try:
            inspect.signature(content).bind(*[None] * wanted)
        except TypeError as exc:
            raise TypeError(
                f"content may take one argument, the connection; {content!r}: {exc}"
            ) from None
        return content if wanted else lambda connection: content()
    if inspect.isroutine(content):
        raise TypeError(f"content must be {EXPECTED}; {content!r} has no 'yield'")
    check_content(content)
    return Given(content)


class Given:
    """Gives each connection the same iterable."""

    __slots__ = ("_content",)

    def __init__(self, content: Content) -> None:
        self._content: Content | None = content

    def __call__(self, connection: Connection) -> Any:
        return self._content

    def take(self) -> Content | None:
        """Return the content for which a request has no use, so that somebody must close it."""
        return self._content


class GivenOnce(Given):
    """Gives an iterator to the first connection only: for a second one nothing would be left."""

    __slots__ = ()

    def __call__(self, connection: Connection) -> Any:
        content = self.take()
        if content is None:
            raise RuntimeError(
                "the content was streamed already: a generator function serves many connections"
            )
        return content

    def take(self) -> Content | None:
        content, self._content = self._content, None
        return content


def adapted(
    make: Callable[[Connection], Any], adapt: Callable[[Any], Any]
) -> Callable[[Connection], Any]:
    """Return a function that gives what ``adapt`` returns for the content that ``make`` gives."""
    if isinstance(make, Given):
        return type(make)(adapt(make.take()))
    return lambda connection: adapt(make(connection))


def to_discard(content: Any) -> Any:
    """Return content that stands for ``content`` and ends with its first item, or before.

    Closing a generator that has not begun runs none of its code, so that it could not give back
    the things that were taken for it. It has to begin, and is then closed like any other.
    """
    return _first_item(content) if isinstance(content, GeneratorType) else content


def _first_item(content: Generator[object, Any, Any]) -> Iterator[object]:
    with closing(content):
        for item in content:
            yield item
            return


def required_parameters(function: Callable[..., object]) -> int:
    """Count the positional arguments that ``function`` must be given."""
    parameters = inspect.signature(function).parameters.values()
    return sum(
        parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )


def open_content(content: Content, encode: Encode, loop: LoopState) -> AsyncIterator[object]:
    """Return an asynchronous iterator over the items, or over batches of what is ready at once.

    :param content: what :func:`check_content` let pass
    """
    if isinstance(content, AsyncGeneratorType):
        return content
    if hasattr(content, "receive_nowait"):  # to import the class would cost more than all of this
        return _received(cast("MemoryObjectReceiveStream[object]", content), encode)
    if isinstance(content, AsyncIterable):
        return content.__aiter__()
    if isinstance(content, (list, tuple)):
        return _in_memory(content, encode)
    return ThreadedIterator(content, encode, loop)


def unclosed(items: object, content: object) -> list[object]:
    """Return an iterator over content, and the content, as far as there is something to close.

    Objects of client libraries, cursors and files own a connection that their iterators do not
    close.
    """
    found: list[object] = []
    if getattr(items, "closes_content", False):
        return [items]  # it does so in the thread in which the content ran
    for one in (items, content) if content is not items else (items,):
        ended = getattr(one, "ag_frame", one) is None  # a generator that has ended, or nothing
        if not ended and (hasattr(one, "aclose") or hasattr(one, "close")):
            found.append(one)
    return found


async def close_content(content: object) -> None:
    """Run what the content, or an iterator over it, left to do: its ``finally`` blocks.

    :raises BaseException: what it raised
    """
    aclose: Any = getattr(content, "aclose", None)
    if aclose is None:
        aclose = content.close  # type: ignore[attr-defined]
    try:
        closed = aclose()
        if inspect.isawaitable(closed):
            await closed
    except BaseExceptionGroup as group:
        # A task group around a yield wraps the exception by which the generator was closed.
        _, others = group.split(GeneratorExit)
        if others is not None:
            raise others from None


async def _received(
    stream: MemoryObjectReceiveStream[object], encode: Encode
) -> AsyncIterator[EncodedBatch]:
    """Join what the senders have put there already; tell them when the stream has ended."""
    with stream:
        while True:
            try:
                first = await stream.receive()
            except EndOfStream:
                return
            for batch in encode_batch(_ready(first, stream), encode):
                yield batch


def _ready(first: object, stream: MemoryObjectReceiveStream[object]) -> Iterator[object]:
    yield first
    while True:
        try:
            yield stream.receive_nowait()
        except (WouldBlock, EndOfStream):
            return


async def _in_memory(items: Iterable[object], encode: Encode) -> AsyncIterator[EncodedBatch]:
    for batch in encode_batch(iter(items), encode):
        yield batch
