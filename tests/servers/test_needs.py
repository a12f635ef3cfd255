"""A missing part skips a test on a newcomer's machine and fails it where all is required."""

from __future__ import annotations

import pytest

from tests.conftest import REQUIRE_ALL, is_present

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.needs("no_such_module"))])
def server(request):
    raise AssertionError("the fixture of a test that cannot run was set up")

@pytest.mark.needs("json", "no-such-program")
def test_of_a_missing_program():
    raise AssertionError("ran without what it needs")

def test_with_a_parameter_that_needs_a_missing_module(server):
    raise AssertionError("ran without what it needs")

@pytest.mark.needs("json", "os.path")
def test_of_what_is_there():
    pass

def test_without_needs():
    pass
"""


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makeini("[pytest]\nmarkers = needs: parts\n")
    pytester.makepyfile(TESTS)
    return pytester.runpytest_inprocess("-p", "tests.conftest", "-p", "no:xdist", "-rs")


def test_missing_part_skips_the_test_and_names_the_part(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REQUIRE_ALL, raising=False)
    result = run(pytester)
    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*: needs no-such-program"])
    result.stdout.fnmatch_lines(["SKIPPED*: needs no_such_module"])


def test_missing_part_is_an_error_where_everything_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUIRE_ALL, "1")
    result = run(pytester)
    # A failure before the test's own code is what pytest counts as an error.
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines([f"*needs no-such-program, and {REQUIRE_ALL}=1*"])


@pytest.mark.parametrize("part", ["json", "os.path", "python3"])
def test_modules_and_executables_are_found(part: str) -> None:
    assert is_present(part)


@pytest.mark.parametrize("part", ["no_such_module", "no_such_module.child", "no-such-program"])
def test_what_is_not_installed_is_not_found(part: str) -> None:
    assert not is_present(part)
