"""Every check before a change goes in: plain ``nox`` runs tests, types, lint and the package."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests", "lowest", "parts", "fuzz", "soak", "types", "lint", "package"]
nox.options.reuse_venv = "yes"
# A newcomer has one Python and no browser: what is missing is skipped, with its name. Where all
# must be there, a skip would hide a hole, so it is an error (tests/conftest.py does so for parts).
_REQUIRE_ALL = os.environ.get("SSE_ASGI_REQUIRE_ALL") == "1"
nox.options.error_on_missing_interpreters = _REQUIRE_ALL
if _REQUIRE_ALL:
    nox.options.sessions.append("newest")

# Two for each core of a small machine: tests wait for timers and servers more than they compute.
_WORKERS = 4
_UNIT_TESTS = (
    *(f"tests/{room}" for room in ("adapters", "asgi", "behaviour", "broadcast", "runtime")),
    *("tests/testing", "tests/wire", "tests/demo/test_app.py", "tests/demo/test_command.py"),
)
_WITH_SERVERS = (
    "tests/adapters/test_on_servers.py",
    "tests/adapters/test_examples_strict.py",
    "tests/broadcast/redis",
    "tests/broadcast/test_examples.py",
)
# Their clients want later versions than the floors are.
_WITH_PEERS = (
    "tests/testing/test_clients.py::test_the_openai_client_reads_a_stream_and_stops_it",
    "tests/testing/test_clients.py::test_the_mcp_client_talks_to_an_mcp_server_over_event_streams",
)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    _pytest(session, "not parts", "demo,test", workers=_WORKERS)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests that start no server on the lowest versions that pyproject.toml allows."""
    session.install("uv")
    install = ("uv", "pip", "install", "--python", f"{session.bin}/python")
    trust = {"UV_SYSTEM_CERTS": "1"}  # as pip does
    lowest = ("--upgrade", "--resolution", "lowest-direct", "-e", ".[unit]")
    session.run(*install, *lowest, env=trust)
    # It asks for a later Starlette, but works with this one.
    session.run(*install, "--no-deps", "sse-starlette>=3.7", env=trust)
    _check_floors(session)
    options = (f"--numprocesses={_WORKERS}", "--dist=loadfile", "-m", "not parts")
    left_out = [f"--ignore={path}" for path in _WITH_SERVERS]
    left_out += [f"--deselect={test}" for test in _WITH_PEERS]
    session.run("pytest", *options, *left_out, *(session.posargs or _UNIT_TESTS))


def _check_floors(session: nox.Session) -> None:
    """Fail if the packages together allow no version as low as an extra says."""
    extras = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    own, *requirements = (Requirement(text) for text in extras["unit"])
    requirements += [Requirement(text) for extra in own.extras for text in extras[extra]]
    freeze = ("uv", "pip", "freeze", "--python", f"{session.bin}/python")
    lines = str(session.run(*freeze, silent=True)).splitlines()
    installed = dict(line.split("==") for line in lines if "==" in line)
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate():
            found = installed[canonicalize_name(requirement.name)]
            if Version(found) != Version(str(requirement.specifier).removeprefix(">=")):
                session.error(f"{requirement} is the lowest, but {found} is installed")


@nox.session(venv_backend="none")
def newest(session: nox.Session) -> None:
    """Run the tests on 3.14 and 3.15, as root on a Debian: in a folder of its next release."""
    absent = [name for name in ("apt-get", "debootstrap", "unshare") if shutil.which(name) is None]
    if absent or os.geteuid() != 0:
        needs = "needs root" if not absent else f"needs {', '.join(absent)} (of a Debian), and root"
        (session.error if _REQUIRE_ALL else session.skip)(needs)
    folder = Path(session.create_tmp()) / "debian"
    session.run(sys.executable, "-m", "tests.pythons", str(folder), *session.posargs)


@nox.session
def parts(session: nox.Session) -> None:
    """Run the tests of browsers, proxies and engines: once, whatever the Python version."""
    _pytest(session, "parts", "demo,test,parts", workers=2)


def _pytest(session: nox.Session, marked: str, extras: str, *, workers: int) -> None:
    session.install("-e", f".[{extras}]")
    # Each server that a test starts imports the library, which is compiled once.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    # By files, so that the tests which share a server or a browser find it running.
    options = (f"--numprocesses={workers}", "--dist=loadfile", "-m", marked)
    session.run("pytest", *options, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try hostile input for a minute; for an hour: -- --seconds 3600."""
    session.install("-e", ".[unit]")
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Soak all servers for two minutes, on Linux; for half an hour: -- --minutes 30."""
    if sys.platform != "linux":
        session.skip("the servers look at themselves in /proc")
    session.install("-e", ".[unit]", "hypercorn[trio]>=0.17", "granian>=2.0")
    session.run("python", "-m", "tests.soak", *session.posargs)


@nox.session(reuse_venv=False)  # for mypy, without the stubs of the last time
def types(session: nox.Session) -> None:
    """Check the types, and that users' type checkers need not infer any of the public ones."""
    session.install("-e", ".[demo,test,bench,types]", "nox")
    session.run("mypy", *session.posargs)
    # Stubs of Django's are for pyright alone: mypy is told that Django has no types.
    session.install("django-stubs")
    session.run("pyright", "--verifytypes", "sse_asgi", "--ignoreexternal")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format, without changing anything."""
    session.install("ruff>=0.9")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def package(session: nox.Session) -> None:
    """Build the package twice, compare and check the builds, and import what the wheel installs."""
    session.install(".[package]")
    builds = [Path(session.create_tmp()) / name for name in ("first", "second")]
    for directory in builds:
        shutil.rmtree(directory, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(directory), silent=True)
    first, second = ({path.name: path.read_bytes() for path in build.iterdir()} for build in builds)
    if first != second:
        session.error("two builds of one tree differ")
    files = sorted(str(path) for path in builds[0].iterdir())
    session.run("twine", "check", "--strict", *files)
    session.install("--force-reinstall", "--no-deps", *(name for name in files if "whl" in name))
    with session.chdir(session.create_tmp()):
        session.run("python", "-c", "import sse_asgi.web; sse_asgi.web.client_js()")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure encode, event and connection cost; arguments after -- go to the benchmark."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
