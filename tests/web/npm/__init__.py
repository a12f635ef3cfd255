"""Clients from npm, in the versions of package.json, and the scripts that drive them in Node."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["execute", "installed", "run"]

HERE = Path(__file__).parent
INSTALL_TIMEOUT = 150.0
RUN_TIMEOUT = 40.0


def installed() -> Path:
    """Return the directory of the packages, which are installed once, in the user's cache."""
    manifest = (HERE / "package.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sse_asgi-tests"
    directory = cache / f"npm-{hashlib.sha256(manifest).hexdigest()[:16]}"
    if directory.is_dir():
        return directory / "node_modules"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        (fresh / "package.json").write_bytes(manifest)
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=fresh,
            check=True,
            capture_output=True,
            timeout=INSTALL_TIMEOUT,
        )
        try:
            fresh.rename(directory)
        except OSError:  # another process of the tests was faster
            assert directory.is_dir()
    return directory / "node_modules"


def run(script: str, directory: Path, *arguments: str) -> Any:
    """Run a script of this folder in Node, and return the JSON that it prints.

    :param directory: an empty one, in which the script finds its packages
    """
    shutil.copy(HERE / script, directory)
    modules = directory / "node_modules"
    if not modules.exists():
        modules.symlink_to(installed())
    ended = execute("node", directory, script, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def execute(
    command: str | Path, directory: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory, and return it with its output when it has ended."""
    return subprocess.run(
        [str(command), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
    )
