"""Run the tests on the Pythons of Debian's next release: ``nox -s newest`` calls this, as root.

::

    python -m tests.pythons FOLDER [argument of pytest ...]

The folder holds that release. It is made when it is not there, and it may be kept for the next
time. The Pythons run one after the other, and each has a virtual environment in the folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from .folder import DebianFolder
from .host import mirror

_RELEASE: Final = "forky"
_PYTHONS: Final = ("3.14", "3.15")

_PACKAGES: Final = (
    *(f"python{version}-{part}" for version in _PYTHONS for part in ("venv", "dev")),
    # For the requirements that have no wheel yet.
    *("gcc", "g++", "libc6-dev"),
    # For the tests.
    *("git", "openssl", "redis-server"),
)
# The tests wait for servers and timers more than they compute.
_OPTIONS: Final = ("--numprocesses=4", "--dist=loadfile", "-m", "not parts")


def main(folder: str, *arguments: str) -> int:
    """Run the tests on each Python; return the number of Pythons on which they fail."""
    debian = DebianFolder(Path(folder).resolve(), project=Path.cwd())
    if not debian.is_complete:
        debian.make(_RELEASE, mirror(), _PACKAGES)
    failed = [version for version in _PYTHONS if not _passes(debian, version, arguments)]
    if failed:
        sys.stderr.write(f"the tests fail on Python {' and '.join(failed)}\n")
    return len(failed)


def _passes(debian: DebianFolder, version: str, arguments: tuple[str, ...]) -> bool:
    programs = f"/root/python{version}/bin"
    try:
        debian.run(f"python{version}", "-m", "venv", f"/root/python{version}")
        install = ("install", "-qq", "--editable", ".[demo,test]")
        debian.run("python", "-m", "pip", *install, programs=programs)
        debian.run("python", "-m", "pytest", *_OPTIONS, *arguments, programs=programs)
    except subprocess.CalledProcessError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
