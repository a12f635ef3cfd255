"""A release of Debian in a folder, in which commands run as on a machine of that release.

``debootstrap`` fills the folder, and ``chroot`` makes it the root of a command. A command sees the
folder's own ``/proc``, this machine's ``/dev``, and the project. These three are mounted in a mount
namespace that belongs to the command alone (unshare(1)), and all of its processes are in a
namespace of their own, too. So when a command ends, in whatever way, nothing of it goes on and
nothing has to be unmounted. A removal of the folder never reaches through a mount.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from .host import apt_settings, environment, settings

__all__ = ["DebianFolder"]

_SCRIPT: Final = "/usr/share/debootstrap/scripts/sid"
"""Serves for each later release, also for one that this machine's debootstrap does not know."""

_PROJECT: Final = "project"
"""The project, in the folder."""

_COMMAND: Final = f"""
folder=$1 project=$2; shift 2
mount -t proc proc "$folder/proc" &&
mount --rbind /dev "$folder/dev" &&
mount --bind "$project" "$folder/{_PROJECT}" &&
chroot "$folder" sh -c 'cd /{_PROJECT} && exec "$@"' sh "$@"
exit $?
"""
"""This shell is the first process of its namespace. It outlives the command, to reap orphans."""

_SYSTEM: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class DebianFolder:
    """A folder with a release of Debian.

    :param path: the folder
    :param project: the folder of the project, in which every command runs
    """

    def __init__(self, path: Path, project: Path) -> None:
        self._path = path
        self._project = project
        self._complete = path.with_name(f"{path.name}.complete")

    @property
    def is_complete(self) -> bool:
        """Whether :meth:`make` has succeeded."""
        return self._complete.exists()

    def make(self, release: str, mirror: str, packages: tuple[str, ...]) -> None:
        """Fill the folder anew with a release, and with packages of it.

        :param mirror: the address of the archive
        :raises RuntimeError: debootstrap failed
        :raises subprocess.CalledProcessError: apt failed, and has said why
        """
        self._complete.unlink(missing_ok=True)
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True)
        options = ("--variant=minbase", "--include=ca-certificates")
        arguments = (*options, release, str(self._path), mirror, _SCRIPT)
        done = subprocess.run(["debootstrap", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"debootstrap failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
        (self._path / _PROJECT).mkdir()
        self._copy_settings()
        quiet = ("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0")
        self.run(*quiet, "update")
        self.run(*quiet, "install", "--no-install-recommends", *packages)
        self._complete.touch()

    def _copy_settings(self) -> None:
        (self._path / "etc" / "apt" / "apt.conf.d" / "90host").write_text(apt_settings())
        for source in settings():
            target = self._path / source.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)

    def run(self, *command: str, programs: str | None = None) -> None:
        """Run a command in the folder and in the project, and wait for it.

        :param programs: a folder whose programs come first
        :raises subprocess.CalledProcessError: it failed
        """
        path = _SYSTEM if programs is None else f"{programs}:{_SYSTEM}"
        unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        inside = ("sh", "-c", _COMMAND, "sh", str(self._path), str(self._project))
        # The programs of this line are found on our own path.
        subprocess.run(
            [*unshare, *inside, "env", f"PATH={path}", *command], check=True, env=environment()
        )
