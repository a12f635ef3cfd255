"""Tests of one connection, on raw ``scope``, ``receive`` and ``send``."""

import pytest

pytest.register_assert_rewrite("tests.asgi.harness")
