"""What goes wrong with clients, connections and servers, on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .server.exchange import Exchange

__all__ = ["Faults"]


class Faults(ABC):
    """The faults that a test can cause; none of these methods waits."""

    @property
    @abstractmethod
    def _exchange(self) -> Exchange:
        """The exchange that goes wrong."""

    def disconnect(self) -> None:
        """Leave: ``receive`` returns ``http.disconnect``."""
        self._exchange.disconnect()

    def pause(self, window: int = 0) -> None:
        """Stop reading: ``send`` waits as soon as ``window`` bytes are on their way."""
        self._exchange.window.pause(window)
        self._exchange.notify()

    def resume(self) -> None:
        """Read on, beginning with what is on its way."""
        self._exchange.window.resume()
        self._exchange.notify()

    def break_send(self, error: Exception | None = None) -> None:
        """Have ``send`` raise from now on, as on a broken connection, while ``receive`` is silent.

        :param error: what to raise instead of an :exc:`OSError`
        """
        self._exchange.break_send(error or OSError("the connection is broken"))

    def cancel(self) -> None:
        """Cancel the app, as a server does that stops; ``send`` still works."""
        self._exchange.task.cancel()
