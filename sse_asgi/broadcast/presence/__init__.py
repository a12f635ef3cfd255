"""Presence: how many clients a topic has, and who they are, over all processes."""

from __future__ import annotations

from .presence import Presence

__all__ = ["Presence"]
