"""Content and clients that keep to a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import anyio

from sse_asgi.asgi.loop import LoopState

from .harness import Peer


def feed(*moments: float) -> Callable[[], AsyncGenerator[str, None]]:
    """Return content that gives an event at each of ``moments``, then waits for ever."""

    async def content() -> AsyncGenerator[str, None]:
        clock = LoopState.current().clock
        for moment in moments:
            await clock.sleep_until(moment)
            yield f"{moment:g}"
        await anyio.sleep_forever()

    return content


def event(moment: float) -> bytes:
    return f"data: {moment:g}\n\n".encode()


class Stuck(Peer):
    """A peer whose ``send`` blocks at one call, until it is let go."""

    def __init__(self, number: int) -> None:
        super().__init__(on_send=self._hold)
        self._number = number
        self.let_go = anyio.Event()

    async def _hold(self, number: int) -> None:
        if number == self._number:
            await self.let_go.wait()
