"""The scissors: each page may end its own streams, and nobody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .. import Connection, EventSourceApp

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

__all__ = ["RETRY", "Scissors", "page_of"]

RETRY = 1500  # milliseconds after which a client that was cut comes back


class Scissors:
    """Streams what ``handler`` returns, the streams of each page from an application of its own.

    An :class:`EventSourceApp` can be drained alone: its clients get a reconnection time and a clean
    end, as they do when the server stops.
    """

    def __init__(self, handler: Callable[[Connection], AsyncIterable[object]]) -> None:
        self._handler = handler
        self._apps: dict[str | None, EventSourceApp] = {}
        self._open: Counter[str | None] = Counter()

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request for a stream."""
        page = page_of(scope)
        if page not in self._apps:
            self._apps[page] = EventSourceApp(self._handler, farewell_retry=(RETRY, RETRY))
        self._open[page] += 1
        try:
            await self._apps[page](scope, receive, send)
        finally:
            self._open[page] -= 1
            if not self._open[page]:
                del self._open[page], self._apps[page]

    def cut(self, page: str | None) -> int:
        """End the streams of one page, and return how many they were."""
        if page is not None and page in self._apps:
            self._apps[page].drain()
        return 0 if page is None else self._open[page]

    def cut_all(self) -> None:
        """End every stream."""
        for app in self._apps.values():
            app.drain()


def page_of(scope: HTTPScope) -> str | None:
    """Return the name under which a page may cut its streams, from the query; None without one."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("page", [None])[0]
