"""The kinds of content that an event stream may have, each as one asynchronous iterator."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import closing
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from anyio import EndOfStream, WouldBlock, get_cancelled_exc_class

from ...checks import refuse, shorten
from ...errors import Refusal
from ...wire import EncodedBatch
from ...wire.batch import encode_batch
from .threaded import ThreadedIterator

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

    from ..connection import Connection
    from ..loop import LoopState
    from ..options import StreamOptions

__all__ = [
    "Content",
    "ContentSource",
    "Given",
    "GivenOnce",
    "check_content",
    "close_content",
    "content_factory",
    "content_in_thread",
    "open_content",
    "to_discard",
    "unclosed",
]

Content: TypeAlias = AsyncIterable[Any] | Iterable[Any]
"""The items of a stream: any iterable, asynchronous or not, or an anyio receive stream."""

ContentSource: TypeAlias = (
    Content
    | Callable[[], Content | Awaitable[Content]]
    | Callable[["Connection"], Content | Awaitable[Content]]
)
"""Content, or a function that makes it for each connection, which it may take as its argument."""

Encode = Callable[[object], bytes]

EXPECTED = "an iterable (asynchronous or not), a generator function or an anyio receive stream"


def check_content(content: object, name: str = "content") -> None:
    """Refuse an object that cannot be iterated over item by item.

    :raises TypeError: with the reason; the message calls the object ``name``
    """
    if isinstance(content, AsyncGeneratorType):
        return  # the usual content, and the other questions take their time
    if isinstance(content, (str, bytes, bytearray, memoryview, Mapping)):
        kind = type(content).__name__
        raise TypeError(f"{name} must be {EXPECTED}; a {kind} is one item, put it in a list")
    if inspect.iscoroutine(content):
        content.close()
        raise TypeError(f"{name} must be {EXPECTED}, not a coroutine: await it, or write 'yield'")
    if content is None:
        raise TypeError(f"{name} must be {EXPECTED}, not None: has the function no 'yield'?")
    if isinstance(content, Refusal):
        raise content  # as if the handler had not returned it
    if not isinstance(content, (AsyncIterable, Iterable)):
        raise TypeError(refuse(name, EXPECTED, content))


def content_factory(source: ContentSource) -> Callable[[Connection], Content]:
    """Return a function that gives the content for a connection.

    :raises TypeError: ``source`` is neither content nor a function that makes it
    """
    content: Any = source
    if isinstance(content, (AsyncIterator, Iterator)):
        return GivenOnce(content)
    if _makes_content(content):
        return _content_maker(content)
    check_content(content)
    return Given(content)


def _makes_content(source: Any) -> bool:
    """Tell whether ``source`` is a function, or another object to call, and no content itself."""
    is_content = isinstance(source, (AsyncIterable, Iterable))
    return callable(source) and not is_content and not inspect.isclass(source)


def _content_maker(function: Any) -> Callable[[Connection], Any]:
    """Return a function that calls ``function`` with the connection, if it takes an argument.

    A decorator may have made it, so nothing tells what it returns before it is called.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # a function in C that does not tell
        return function  # type: ignore[no-any-return]
    is_taken = any(_takes_connection(parameter) for parameter in signature.parameters.values())
    try:
        signature.bind(*[None] * is_taken)
    except TypeError as exc:
        raise TypeError(
            f"content may take one argument, the connection; {shorten(function)}: {exc}"
        ) from None
    return function if is_taken else _Maker(function)


class _Maker:
    """Calls a function that does not take the connection."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __call__(self, connection: Connection) -> Any:
        return self.function()


def _takes_connection(parameter: inspect.Parameter) -> bool:
    """Tell whether a parameter needs an argument, or takes any number as decorators' often do."""
    return parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD


class Given:
    """Gives each connection the same iterable."""

    __slots__ = ("content",)

    def __init__(self, content: Content) -> None:
        self.content: Content | None = content

    def __call__(self, connection: Connection) -> Any:
        return self.content

    def take(self) -> Content | None:
        """Return the content for which a request has no use, so that somebody must close it."""
        return self.content


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
        """Return the content at the first call, and None from then on."""
        content = self.content
        self.content: Content | None = None
        return content


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


def open_content(
    content: Content, options: StreamOptions, loop: LoopState, connection: Connection
) -> AsyncIterator[object]:
    """Return an asynchronous iterator over the items, or over batches of items that are ready.

    :param content: content that :func:`check_content` let pass
    """
    if isinstance(content, AsyncGeneratorType):
        return content
    if hasattr(content, "receive_nowait"):  # to import the class would cost more than all of this
        stream = cast("MemoryObjectReceiveStream[object]", content)
        return _received(stream, options.encode)
    if isinstance(content, AsyncIterable):
        return content.__aiter__()
    if isinstance(content, (list, tuple)):
        return _in_memory(content, options.encode)
    return ThreadedIterator(content, options.encode, loop.workers, connection, options.thread_ended)


def content_in_thread(
    make: Callable[[Connection], Content],
    options: StreamOptions,
    loop: LoopState,
    connection: Connection,
) -> ThreadedIterator | None:
    """Return the iterator over the content that ``make`` gives, if that surely needs a thread.

    A function that is no generator function is not called, since it may do anything.
    """
    if isinstance(make, Given):
        if not _needs_thread(make.content):
            return None
    elif not inspect.isgeneratorfunction(getattr(make, "function", make)):
        return None
    items: Any = make(connection)
    return ThreadedIterator(items, options.encode, loop.workers, connection, options.thread_ended)


def _needs_thread(content: Any) -> bool:
    """Tell whether :func:`open_content` iterates over the content in a thread."""
    return not (
        isinstance(content, (AsyncIterable, list, tuple)) or hasattr(content, "receive_nowait")
    )


def unclosed(items: object, content: object) -> list[object]:
    """Return those of an iterator over content, and the content, that can still be closed.

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
    """Close content, or an iterator over it, so that its ``finally`` blocks run.

    :raises BaseException: the exception that those raised
    """
    aclose: Any = getattr(content, "aclose", None)
    if aclose is None:
        aclose = content.close  # type: ignore[attr-defined]
    try:
        closed = aclose()
        if inspect.isawaitable(closed):
            await closed
    except BaseExceptionGroup as group:
        # A task group around a yield wraps the exception by which the generator was closed, and on
        # trio, where it waits for its tasks, the cancellation of the scope, which is raised again.
        _, others = group.split((GeneratorExit, get_cancelled_exc_class()))
        if others is not None:
            raise others from None


async def _received(
    stream: MemoryObjectReceiveStream[object], encode: Encode
) -> AsyncIterator[EncodedBatch]:
    """Join the items that the senders have put there; close the stream at the end."""
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
