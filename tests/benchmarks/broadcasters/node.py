"""Node's own HTTP server: a loop of writes."""

from __future__ import annotations

from tests.benchmarks.broadcaster import Program
from tests.benchmarks.node import command

__all__ = ["BROADCASTER"]


def _command() -> list[str]:
    return command("node.mjs", {})


BROADCASTER = Program("node", _command)
