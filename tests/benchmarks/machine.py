"""When and where the figures were measured."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

__all__ = ["described"]


def described(loop: str) -> str:
    """Return the date, the machine and the version of Python, in one line."""
    today = date.today()  # where the machine is
    when = f"{today.day} {today:%B %Y}"
    cores = len(os.sched_getaffinity(0))
    python = f"Python {platform.python_version()}, {loop}"
    return f"{when}; {cores} cores{_model()}, {platform.system()}; {python}"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return f" of {value.strip()}"
    return ""
