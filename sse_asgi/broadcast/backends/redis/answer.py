"""Answers of the server that have another form than the command's answers have."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from .... import checks

__all__ = ["Garbled", "Understood"]

_MISFITS: Final = (AssertionError, AttributeError, LookupError, TypeError, ValueError)


class Garbled(OSError):
    """The server's answer makes no sense, so that nobody knows what has become of the command.

    Something else than Redis answers, or a proxy has mixed up two connections.
    """


class Understood:
    """A block that takes an answer apart: where the answer does not fit, it is :exc:`Garbled`."""

    __slots__ = ("_answer",)

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, _MISFITS):
            shown = checks.shorten(self._answer)
            raise Garbled(f"the server's answer makes no sense: {shown}") from error
