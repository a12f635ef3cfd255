"""Chromium, Firefox and WebKit behind one door: the tests of browsers run once in each of them."""

from .engine import ENGINES, KILLABLE, Engine, Page, Pages, Tab, running

__all__ = ["ENGINES", "KILLABLE", "Engine", "Page", "Pages", "Tab", "running"]
