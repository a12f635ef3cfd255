"""Node, and packages from npm, which are kept in the user's cache directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which

from .broadcaster import EVENT

__all__ = ["command"]

SCRIPTS = Path(__file__).parent / "broadcasters"
INSTALL_TIMEOUT = 120.0


def command(script: str, packages: Mapping[str, str]) -> list[str]:
    """Return the command line of a script, once its packages are installed.

    :param script: gets the data of each event, and the directory that it finds its packages from
    :param packages: from names to versions
    :raises LookupError: if a part is missing, with its name
    """
    node = which("node")
    if node is None:
        raise LookupError("there is no 'node' on the path")
    installed = _install(packages) if packages else SCRIPTS
    return [node, "--expose-gc", str(SCRIPTS / script), EVENT, f"{installed}/"]


def _install(packages: Mapping[str, str]) -> Path:
    names = [f"{name}@{version}" for name, version in packages.items()]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "sse_asgi-benchmarks" / "_".join(names)
    modules = directory / "node_modules"
    if all((modules / name).is_dir() for name in packages):
        return directory
    npm = which("npm")
    if npm is None:
        raise LookupError("there is no 'npm' on the path")
    directory.mkdir(parents=True, exist_ok=True)
    # It installs where it finds a package.json, else somewhere above.
    (directory / "package.json").write_text('{"private": true}\n')
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *names]
    try:
        subprocess.run(
            install, cwd=directory, check=True, capture_output=True, timeout=INSTALL_TIMEOUT
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
        raise LookupError(f"npm could not install {', '.join(names)}: {exc}") from exc
    return directory
