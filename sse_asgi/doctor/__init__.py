"""The doctor says in plain words what stands between an event stream and a browser."""

from .command import main
from .findings import Finding, Level, diagnose
from .observation import Arrival, Ending, Observation, Resumption

__all__ = [
    "Arrival",
    "Ending",
    "Finding",
    "Level",
    "Observation",
    "Resumption",
    "diagnose",
    "main",
]
