"""Everything that is checked before a change goes in: plain ``nox`` runs tests, types and lint."""

from __future__ import annotations

import os

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests", "parts", "types", "lint"]
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
    """Check the types."""
    session.install("-e", ".[demo,test,bench,types]", "nox")
    session.run("mypy", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format, without changing anything."""
    session.install("ruff>=0.9")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure encode, event and connection cost; arguments after -- go to the benchmark."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
