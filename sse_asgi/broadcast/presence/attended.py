"""A subscription whose client is present while its stream is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from ...wire import EncodedBatch
from ..subscription import Subscription

__all__ = ["Attended"]


class Attended(AsyncIterator[EncodedBatch]):
    """The content of a subscription, for one stream.

    :param come: called once, when the stream begins
    :param leave: called once, when a stream that has begun is over
    """

    __slots__ = ("_come", "_leave", "_subscription")

    def __init__(
        self,
        subscription: Subscription,
        come: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        self._subscription = subscription
        self._come: Callable[[], object] | None = come
        self._leave: Callable[[], object] = leave

    def claim(self) -> None:
        """Take the subscription as the content of one stream.

        :raises RuntimeError: it is the content of another stream
        """
        self._subscription.claim()
        self._begin()

    def take(self) -> EncodedBatch | None:
        """Return what :meth:`Subscription.take` returns."""
        return self._subscription.take()

    def when_ready(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` once, when :meth:`take` may have something."""
        self._subscription.when_ready(wake)

    async def aclose(self) -> None:
        """End the subscription; the client is present no more."""
        come, self._come = self._come, None
        has_begun, leave = come is None, self._leave
        self._leave = _nothing
        if has_begun:
            leave()
        await self._subscription.aclose()

    def __aiter__(self) -> Attended:
        return self

    async def __anext__(self) -> EncodedBatch:
        self._begin()
        return await anext(self._subscription)

    def _begin(self) -> None:
        come, self._come = self._come, None
        if come is not None:
            come()


def _nothing() -> None:
    """Leave no second time."""
