"""The scissors: each page can end its own streams, but no other page's."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from .. import Connection, EventSourceApp

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

__all__ = ["RETRY", "Scissors", "page_of"]

RETRY: Final = 1500
"""Milliseconds after which a client that was cut comes back."""


class Scissors:
    """Streams the content that ``handler`` returns, with a separate application for each page.

    An :class:`EventSourceApp` can be drained alone. Its clients then get a reconnection time and a
    clean end, as they do when the server stops.
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

    def cut_all(self) -> int:
        """End the streams of all pages, and return how many they were."""
        for app in self._apps.values():
            app.drain()
        return self._open.total()

    def has(self, page: str | None) -> bool:
        """Tell whether a page of that name has an open stream."""
        return page is not None and page in self._apps


def page_of(scope: HTTPScope) -> str | None:
    """Return the name, from the query, under which a page can cut its streams; None without one."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("page", [None])[0]
