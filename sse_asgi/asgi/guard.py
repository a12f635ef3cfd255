"""The guard of one stream, which ends it when its client's authorisation ends.

It asks three things, before the content is made and as long as the stream is open:

* ``expires_at``: has the time come? The system's clock is asked again at least every 30 seconds,
  since it may be set, or stand still while the machine sleeps.
* ``key``: was it revoked? The stream is on the event loop's keyring from before ``revalidate`` is
  asked and the handler is called, so that a revocation meanwhile is not missed.
* ``revalidate``: does the program still say yes? The event loop's timers ask, each time after 80 to
  100 % of the interval, drawn at random, so that the checks of many streams are spread out. No
  answer, an exception and anything but True count as a no.

A stream without these options has no guard.
"""

from __future__ import annotations

import logging
from contextvars import Context
from inspect import isawaitable
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from .. import checks
from ..errors import Refusal
from ..runtime.context import in_context, own_context
from .access import expiry_of, keys_of, unauthorized
from .connection import Connection, request_name
from .outcome import CloseReason

if TYPE_CHECKING:
    from .loop import LoopState
    from .options import StreamOptions

__all__ = ["Guard", "Guarded"]

logger: Final = logging.getLogger("sse_asgi")

_ADMISSION_TIMEOUT: Final = 30.0
"""Seconds that the functions of the options may take before the stream begins."""

_LONGEST: Final = 30.0
"""Seconds between two questions to the system's clock."""


class Guarded(Protocol):
    """The stream: its control."""

    def end(self, reason: CloseReason, error: BaseException | None = None) -> None:
        """End the stream now."""


class Guard:
    """Watches the authorisation of one stream (a :class:`~sse_asgi.runtime.timers.Timed`).

    :param owner: the application that the stream belongs to
    """

    __slots__ = (
        "_acting",
        "_check_at",
        "_connection",
        "_context",
        "_ended",
        "_expires_at",
        "_keys",
        "_loop",
        "_options",
        "_stream",
        "owner",
    )

    def __init__(
        self, options: StreamOptions, connection: Connection, loop: LoopState, owner: object
    ) -> None:
        self.owner: object = owner
        self._options = options
        self._connection = connection
        self._loop = loop
        self._keys: frozenset[str] = frozenset()
        self._expires_at = self._check_at = inf
        self._ended = False
        self._stream: Guarded | None = None
        self._context: Context | None = None
        self._acting: anyio.CancelScope | None = None

    async def admit(self) -> None:
        """Ask the functions of the options before the stream begins.

        :raises Refusal: the client may not have the stream, or a function raised it
        :raises TimeoutError: a function did not answer
        :raises Exception: a function raised it, or returned an impossible value
        """
        options, connection = self._options, self._connection
        with anyio.fail_after(_ADMISSION_TIMEOUT):
            self._keys = keys_of(await _answer(options.key, connection))
            self._loop.keyring.add(self, self._keys)
            self._expires_at = expiry_of(await _answer(options.expires_at, connection))
            is_valid = await self._is_valid()
        if self._ended or not is_valid or self._loop.clock.posix_time() >= self._expires_at:
            raise unauthorized()

    def watch(self, stream: Guarded) -> None:
        """Watch ``stream``, which begins now."""
        self._stream = stream
        self._context = own_context()
        now = self._loop.clock.now()
        self._plan_check(now)
        when = min(self._next_look(now), self._check_at)
        if when < inf:
            self._loop.timers.add(self, when)

    def end(self, reason: CloseReason) -> None:
        """End the stream, also one that has not begun yet."""
        self._ended = True
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.end(reason)

    def close(self) -> None:
        """Watch the stream no more, since it has ended."""
        self._stream = None
        self._loop.keyring.discard(self, self._keys)
        self._loop.timers.discard(self)
        if self._acting is not None:
            self._acting.cancel()

    # -- the timers' side --------------------------------------------------------------------------

    def look(self, now: float) -> tuple[float, bool]:
        """End the stream if it has expired; else return the next look, and whether to check."""
        if self._stream is None:
            return inf, False
        if self._loop.clock.posix_time() >= self._expires_at:
            self.end(CloseReason.EXPIRED)
            return inf, False
        must_check = now >= self._check_at
        if must_check:
            self._check_at = inf  # until this one has answered
        return min(self._next_look(now), self._check_at), must_check

    async def act(self) -> None:
        """Ask ``revalidate`` in the context of the request, and end the stream if it says no."""
        is_valid = False
        try:
            with anyio.CancelScope() as self._acting:
                is_valid = await in_context(self._context, self._is_valid())
        except Refusal:
            pass
        except Exception:
            name = request_name(self._connection)
            logger.exception("%s: revalidate failed, so the stream ends", name)
        finally:
            self._acting = None
            if not is_valid:
                self.end(CloseReason.REVOKED)
        if self._stream is not None:
            self._plan_check(self._loop.clock.now())
            self._loop.timers.look_at(self, self._check_at)

    def _next_look(self, now: float) -> float:
        if self._expires_at == inf:
            return inf
        return now + min(_LONGEST, self._expires_at - self._loop.clock.posix_time())

    def _plan_check(self, now: float) -> None:
        if self._options.revalidate is not None:
            import random  # seldom needed, and slow to import

            self._check_at = now + self._options.revalidate_interval * random.uniform(0.8, 1.0)

    async def _is_valid(self) -> bool:
        revalidate = self._options.revalidate
        if revalidate is None:
            return True
        with anyio.fail_after(self._options.revalidate_interval):
            answer: Any = revalidate(self._connection)
            if isawaitable(answer):
                answer = await answer
        if type(answer) is not bool:
            raise TypeError(checks.refuse("the answer of revalidate", "True or False", answer))
        return answer


async def _answer(option: Any, connection: Connection) -> Any:
    """Return the value of an option that may be a function of the connection."""
    value = option(connection) if callable(option) else option
    return await value if isawaitable(value) else value
