"""What became of an endless generator."""

from __future__ import annotations

from types import TracebackType

import anyio

__all__ = ["Trace"]


class Trace:
    """A block for the body of a generator: ``closed`` says whether it was left.

    :param idle_after: events after which the generator waits for ever, as one without news does
    """

    def __init__(self, idle_after: int | None = None) -> None:
        self.entered = False
        self.closed = False
        self._idle_after = idle_after

    def __enter__(self) -> Trace:
        self.entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closed = True

    async def pause(self, number: int) -> None:
        """Wait between the events, after number ``number``."""
        if number + 1 == self._idle_after:
            await anyio.sleep_forever()
        await anyio.sleep(0.001)
