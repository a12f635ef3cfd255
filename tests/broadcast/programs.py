"""Programs in processes of their own, which fork, wait for signals, or have no event loop."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["run_program"]


def run_program(source: str, *arguments: str, timeout: float = 60.0) -> str:
    """Run a program to its end, and return its output.

    :raises AssertionError: it failed, or complained
    :raises subprocess.TimeoutExpired: it did not end
    """
    process = subprocess.run(
        # Python warns of a fork in a process that has threads, which is the very case.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert not process.stderr
    return process.stdout
