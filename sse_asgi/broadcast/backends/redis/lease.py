"""The connection that commands share, as long as there is one."""

from __future__ import annotations

import logging
import random
from contextlib import suppress
from typing import Final

from ....runtime.change import Change
from .connection import TRANSIENT, RedisConnection, Refused

__all__ = ["Backoff", "Lease", "Outages"]

_SHORTEST: Final = 0.02
_LONGEST: Final = 1.0

logger: Final = logging.getLogger("sse_asgi")


class Backoff:
    """Longer and longer pauses between attempts, with jitter: no two processes march in step."""

    def __init__(self) -> None:
        self._pause = _SHORTEST

    def next(self) -> float:
        """Return the seconds to pause for now."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST)
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._pause = _SHORTEST


class Lease:
    """Lends one connection to all commands, which wait here while there is none."""

    def __init__(self) -> None:
        self._connection: RedisConnection | None = None
        self._changed = Change()
        self.trouble: Exception | None = None
        """Why there is no connection, if there is none."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    async def get(self) -> RedisConnection:
        """Wait for a connection.

        :raises Refused: the server is there, and refuses
        """
        while self._connection is None:
            if isinstance(self.trouble, Refused):
                raise self.trouble
            await self._changed.wait()
        return self._connection

    def lend(self, connection: RedisConnection) -> None:
        """Let commands use a new connection."""
        self._change(connection, None)

    def end(self) -> None:
        """Let commands wait for the next connection."""
        self._change(None, None)

    def fail(self, trouble: Exception) -> None:
        """Say why there is no connection."""
        self._change(None, trouble)

    def _change(self, connection: RedisConnection | None, trouble: Exception | None) -> None:
        self._connection, self.trouble = connection, trouble
        with suppress(RuntimeError):  # the event loop of the tasks that waited is gone
            self._changed.notify()


class Outages:
    """Logs an outage once when it begins, and once when it is over.

    :param where: the server, for the messages
    """

    def __init__(self, where: object) -> None:
        self._where = where
        self._now: dict[str, str] = {}

    def begin(self, connection: str, error: Exception) -> None:
        """Take note that one of the connections is lost, or cannot be used."""
        transient = isinstance(error, TRANSIENT)
        trouble = "out of reach" if transient else str(error)
        is_new = trouble not in self._now.values()
        self._now[connection] = trouble
        if is_new:
            bug = None if transient or isinstance(error, Refused) else error
            logger.warning("no log at %s: %s", self._where, error, exc_info=bug)

    def end(self, connection: str) -> None:
        """Take note that the connection is in use again."""
        if self._now.pop(connection, None) is not None and not self._now:
            logger.info("the log at %s is back", self._where)
