"""The settings of this machine that another Debian on it needs to reach the network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["apt_settings", "environment", "mirror", "settings"]

_FILES: Final = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"),
    *("/etc/pip.conf", "/etc/xdg/pip", "~/.config/pip", "~/.pip"),
)
_APT: Final = ("Acquire::http", "Acquire::Check-", "Acquire::Retries")

_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "PYENV", "TMPDIR", "LANG", "LC_")
"""How variables begin that lead to places outside of the folder."""


def mirror() -> str:
    """Return the address of the archive from which this machine's packages come.

    :raises RuntimeError: this machine has no such address: it is no Debian
    """
    where = ("Created-By: Packages", "Label: Debian", "Component: main")
    found = _output("apt-get", "indextargets", "--format", "$(SITE)", *where).split()
    if not found:
        raise RuntimeError("this machine's apt has no archive of Debian")
    return found[0]


def apt_settings() -> str:
    """Return the settings of this machine's apt for proxies and checks, as its files have them."""
    lines = _output("apt-config", "dump").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(_APT))


def settings() -> list[Path]:
    """Return the files and folders with this machine's names, certificates and registries."""
    return [path for path in (Path(name).expanduser() for name in _FILES) if path.exists()]


def environment() -> dict[str, str]:
    """Return this process's environment without the variables that lead out of the folder."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
