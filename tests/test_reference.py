"""The reference is up to date, and names and describes all that is public."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.reference import MODULES, PAGE, page, undescribed

EXAMPLES = Path(__file__).parent.parent / "examples"
TEXT = PAGE.read_text("utf-8")


def test_reference_is_up_to_date() -> None:
    assert page() == TEXT, "run: python -m tests.reference"


def test_each_parameter_is_described() -> None:
    assert undescribed() == []


@pytest.mark.parametrize("name", MODULES)
def test_each_export_has_its_place(name: str) -> None:
    module = import_module(name)
    section = TEXT.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    named = {
        *re.findall(r"^### `(?:async with |with |await )?(\w+)", section, re.MULTILINE),
        *re.findall(r"`(\w+)`", section.partition("Also here, and described above: ")[2]),
    }
    assert set(module.__all__) <= named


def test_each_module_that_examples_import_is_described() -> None:
    imported: set[str] = set()
    for path in [*EXAMPLES.rglob("*.py"), *EXAMPLES.rglob("*.md")]:
        imported |= set(re.findall(r"^from (sse_asgi[\w.]*) import", path.read_text("utf-8"), re.M))
    assert imported <= set(MODULES)
