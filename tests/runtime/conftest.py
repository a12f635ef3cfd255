"""Fixtures of the tests in this folder."""

from tests.fixtures import former, killed, no_polling, process_is_left_as_it_was

__all__ = ["former", "killed", "no_polling", "process_is_left_as_it_was"]
