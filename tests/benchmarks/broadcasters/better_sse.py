"""better-sse on Node: sessions in a channel."""

from __future__ import annotations

from tests.benchmarks.broadcaster import Program
from tests.benchmarks.node import command

__all__ = ["BROADCASTER"]

VERSION = "0.16"


def _command() -> list[str]:
    return command("better_sse.mjs", {"better-sse": VERSION})


BROADCASTER = Program("better-sse", _command)
