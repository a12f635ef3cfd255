"""The plot is drawn of the rows of the scale section, and the command line says what it takes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .__main__ import parse
from .measure import Figure, Row
from .peers import LIMIT, OURS
from .plot import SIZES, draw, lines_of
from .sections.scale import quantities, rows_of
from .table import MarkdownTable

NAMES = {LIMIT: "limit", OURS: "sse_asgi", "better_sse": "better-sse"}


def rows(*sizes: int) -> list[Row]:
    found = {name: [float(place + 1)] * 9 for place, name in enumerate(NAMES)}
    return [
        row
        for clients in sizes or (10, 2_000)
        for row in rows_of(quantities(f"{clients:,} clients"), found, LIMIT)
    ]


def test_each_column_is_a_line_over_the_numbers_of_clients() -> None:
    lines = lines_of(rows(), "a delivery")
    assert lines[LIMIT] == [(10, 1e6), (2_000, 1e6)]
    assert lines[OURS] == [(10, 2e6), (2_000, 2e6)]


@pytest.mark.needs("matplotlib")
def test_the_same_figures_are_drawn_as_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg"):
        draw(rows(), NAMES, "today; here", tmp_path / name)
    drawn = (tmp_path / "one.svg").read_text("utf-8")
    assert drawn == (tmp_path / "other.svg").read_text("utf-8")
    texts = {text.strip() for text in ET.fromstring(drawn).itertext()}
    assert {"today; here", *NAMES.values()} <= texts
    assert len(drawn) < 60_000


@pytest.mark.needs("matplotlib")
def test_a_panel_without_a_point_is_drawn_empty(tmp_path: Path) -> None:
    draw(rows(10), NAMES, "few clients", tmp_path / "few.svg")
    assert "a ping to an idle client" in (tmp_path / "few.svg").read_text("utf-8")


def test_a_cost_stands_behind_its_figure_in_markdown() -> None:
    row = Row(quantities("x")[0], {LIMIT: Figure(1, 1, 0), OURS: Figure(15.04, 15.04, 0)})
    table = MarkdownTable("scale", NAMES)
    assert table.head() == "| scale | limit | sse_asgi | better-sse |\n|---|---|---|---|"
    assert table.row(row) == "| x, each holds, KiB | 1.00 | 15.0 (x15.0) |  |"


def test_a_plot_takes_its_own_numbers_of_clients_unless_some_are_named() -> None:
    assert parse(["scale", "--plot", "x.svg"]).bench.effort.scales == SIZES
    assert parse(["scale", "--plot", "x.svg", "--clients", "5"]).bench.effort.scales == (5,)


def test_a_plot_without_the_section_that_it_draws_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse(["fanout", "--plot", "x.svg"])
    assert "--plot draws the section scale: name it" in capsys.readouterr().err
