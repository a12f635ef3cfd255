"""What thousands of connections need of the machine: open files and memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["check_memory", "open_files"]

CONNECTION: Final = 96 * 1024
"""Bytes that one connection may take, with all buffers on both sides."""

OTHER_FILES: Final = 100


@contextmanager
def open_files(connections: int) -> Iterator[None]:
    """Have enough open files for as many connections, here and in processes that start meanwhile.

    :raises OSError: the system does not allow it
    """
    count = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OSError(f"{count} open files are needed and {hard} allowed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def check_memory(connections: int) -> None:
    """Refuse more connections than the machine has the memory for.

    :raises MemoryError: it has not
    """
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            available = int(rest.split()[0]) * 1024
            if available < connections * CONNECTION:
                raise MemoryError(
                    f"{connections:,} connections may need {connections * CONNECTION >> 20:,} MiB,"
                    f" and {available >> 20:,} are available"
                )
