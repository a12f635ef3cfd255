"""Every check before a change goes in: plain ``nox`` runs tests, types, lint and the package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests", "parts", "types", "lint", "package"]
nox.options.reuse_venv = "yes"
# A newcomer has one Python and no browser: what is missing is skipped, with its name. Where all
# must be there, a skip would hide a hole, so it is an error (tests/conftest.py does so for parts).
nox.options.error_on_missing_interpreters = os.environ.get("SSE_ASGI_REQUIRE_ALL") == "1"


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    _pytest(session, "not parts")


@nox.session
def parts(session: nox.Session) -> None:
    """Run the tests of browsers, proxies and engines: once, whatever the Python version."""
    _pytest(session, "parts")


def _pytest(session: nox.Session, marked: str) -> None:
    session.install("-e", ".[demo,test]")
    # By files, so that the tests which share a server or a browser find it running.
    options = ("--numprocesses=2", "--dist=loadfile", "-m", marked)
    session.run("pytest", *options, *session.posargs)


@nox.session
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
