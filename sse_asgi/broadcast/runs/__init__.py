"""Runs: work that goes on when its readers leave, and that always comes to an end."""

from __future__ import annotations

from .runs import Runs
from .state import RunState

__all__ = ["RunState", "Runs"]
