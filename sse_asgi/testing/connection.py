"""The client's end of an exchange: bounded waits, what the app did wrong, and the way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.lowlevel import checkpoint

from .errors import AppLeaked, ASGIViolation
from .server.exchange import Exchange

__all__ = ["ClientConnection", "clean_up", "is_among"]


class ClientConnection:
    """One connection to the app, from the request until the app has returned.

    :param timeout: the bound of every wait, in seconds
    :param raise_app_exceptions: whether an app that raises is the caller's failure; otherwise it is
        answered with a 500 or a body that breaks off, as by a server
    """

    def __init__(self, exchange: Exchange, *, timeout: float, raise_app_exceptions: bool) -> None:
        self.exchange = exchange
        self._timeout = timeout
        self._raise_app_exceptions = raise_app_exceptions
        self._reported: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """No more of the body will come."""
        exchange = self.exchange
        if exchange.response.complete or exchange.disconnected:
            return True
        return exchange.task.done and not exchange.response.window.is_holding

    async def wait_for_head(self, timeout: float | None = None) -> bool:
        """Wait for status and headers; return whether they arrived in time.

        :raises ASGIViolation: the app broke a rule, or returned without a response
        """
        exchange = self.exchange
        await self.wait(lambda: exchange.response.has_head or exchange.task.done, timeout)
        if exchange.response.has_head or not exchange.task.done:
            return exchange.response.has_head
        self.raise_failure()
        error = exchange.task.error
        if error is None:
            raise ASGIViolation(
                "the app ended without a response: http.response.start was never sent"
            )
        if is_among(error, exchange.hooks.injected):
            raise error
        exchange.response.answer_500()
        return True

    async def wait(self, condition: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until ``condition()`` holds; return whether it does in time.

        :raises ASGIViolation: the app broke a rule meanwhile
        """
        exchange = self.exchange
        await checkpoint()
        if not condition():
            with anyio.move_on_after(self.limit(timeout)):
                await exchange.wait_until(lambda: condition() or exchange.violation)
        if exchange.violation is not None:
            self.raise_failure()
        return bool(condition())

    async def returned(self, timeout: float | None = None) -> None:
        """Wait for the app to return, and raise what it raised.

        :raises AppLeaked: it did not return in time
        """
        limit, task = self.limit(timeout), self.exchange.task
        if not await task.wait(limit):
            raise AppLeaked(
                f"the app did not return within {limit:g} s; it waits at\n{task.where()}"
            )
        self.raise_failure()

    def limit(self, timeout: float | None) -> float:
        """Return ``timeout``, or the connection's own when it is None."""
        return self._timeout if timeout is None else timeout

    def raise_failure(self) -> None:
        """Raise, once, the rule that the app broke, or what it raised and the test had not made."""
        exchange, error = self.exchange, self.exchange.task.error
        failure: BaseException | None = exchange.violation
        ignored = isinstance(error, Exception) and not self._raise_app_exceptions
        if failure is None and error is not None and not is_among(error, exchange.hooks.injected):
            failure = None if ignored else error
        if failure is not None and failure is not self._reported:
            self._reported = failure
            raise failure

    async def leave(self) -> None:
        """Disconnect and wait for the app to return; then cancel it. Raise what it did wrong.

        :raises AppLeaked: the app had to be cancelled
        """
        task = self.exchange.task
        self.exchange.disconnect()
        with anyio.CancelScope(shield=True):
            if not await task.wait(self._timeout):
                where = task.where()
                task.cancel()
                ended = await task.wait(min(self._timeout, 1))
                then = "ended when it was cancelled" if ended else "ignored its cancellation, too"
                raise AppLeaked(
                    f"the app did not return within {self._timeout:g} s after http.disconnect;"
                    f" it {then}. It waited at\n{where}"
                )
        self.raise_failure()


def is_among(error: BaseException, others: list[BaseException]) -> bool:
    """Tell whether ``error``, or every exception in that group, is one of ``others``."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_among(part, others) for part in error.exceptions)
    return any(error is other for other in others)


async def clean_up(function: Callable[[], Awaitable[object]], after: BaseException | None) -> None:
    """Await ``function()`` at the end of a block that is left with the exception ``after``.

    That exception stays what is raised, with a note about a failed clean-up. A cancellation does
    not: the scope that cancelled would swallow it, and the failure with it.
    """
    try:
        await function()
    except BaseException as failure:
        if after is None or isinstance(after, anyio.get_cancelled_exc_class()):
            raise
        after.add_note(f"Afterwards, too: {type(failure).__name__}: {failure}")
