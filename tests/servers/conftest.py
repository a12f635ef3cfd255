"""What the tests on real servers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Connections that are closed at the end of the test."""
    with ExitStack() as stack:
        yield stack
