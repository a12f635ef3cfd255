"""The demo as its users start it: a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess

__all__ = ["DEMO", "running"]

DEMO = ("-m", "sse_asgi")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C stops it\)\n")


@contextmanager
def running(directory: Path, port: int = 0) -> Iterator[ServerProcess]:
    """Run ``python -m sse_asgi`` until the block ends; its port is the one that it printed."""
    arguments: Sequence[str] = (*DEMO, "--port", str(port))
    with ServerProcess(arguments, port, directory / "demo.log") as process:
        process.wait_log("(Ctrl-C stops it)\n")
        address = ADDRESS.search(process.log)
        assert address is not None, process.log
        process.port = int(address[1])
        yield process
