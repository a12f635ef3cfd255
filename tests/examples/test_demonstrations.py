"""Every demonstration ends by itself, and prints the steps that its first lines name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .running import EXAMPLES

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn", "starlette", "httpx"),
]

LONGEST = 55.0
"""Seconds that a demonstration may take on a loaded machine; it takes five on a quiet one."""


def show(name: str, *arguments: str) -> str:
    """Run a demonstration as its first lines say, and return its output."""
    script = EXAMPLES / "demonstrations" / f"{name}.py"
    ended = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not ended.stderr, ended.stderr
    return ended.stdout


def test_client_disconnect_runs_each_clean_up() -> None:
    shown = show("client_disconnect")
    for name, reason in (
        ("polite", "client gone"),
        ("crashed", "client gone"),
        ("stalled", "slow client"),
    ):
        assert shown.count(f"clean-up of {name}") == 1
        assert f"end of {name}: {reason}" in shown


def test_graceful_shutdown_ends_every_stream_cleanly() -> None:
    shown = show("graceful_shutdown")
    assert "20 of 20 streams ended cleanly" in shown
    assert "After 2 s the server still waits" in shown


def test_load_delivers_all_and_plots_as_text() -> None:
    shown = show("load", "40")
    assert "800 events arrived of 800: 0 are lost." in shown
    assert "40 of 40 clients are connected" in shown
    assert "(median)" in shown
    assert "ms #" in shown


@pytest.mark.needs("matplotlib")
def test_load_plots_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "load.png"
    assert f"The plot is in {picture}." in show("load", "10", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_network_interruption_loses_no_event() -> None:
    shown = show("network_interruption")
    for fault in ("cut", "stall", "reset"):
        assert f"The network fails: {fault}." in shown
    assert shown.count("The client notices") >= 3
    assert "each once, in order, and none is lost" in shown


def test_memory_channels_and_generators_both_stop() -> None:
    shown = show("memory_channels")
    assert shown.count("20000 events") == 2
    assert shown.count("the generator was closed") == 2
    assert shown.count("the producer's send was refused") == 2


def test_circuit_breaker_keeps_the_stream() -> None:
    shown = show("circuit_breaker")
    assert shown.index("paused") < shown.index("resumed") < shown.index("done")
    assert "The client got all 20 values on one connection." in shown


def test_custom_protocol_answers_each_request() -> None:
    shown = show("custom_protocol")
    assert "gets 400: this server speaks sums/1, not sums/0." in shown
    assert shown.count("down  result") == 3
    assert shown.count("down  failure") == 1
    assert "Each request got its one answer" in shown


def test_every_demonstration_is_shown_here() -> None:
    names = {path.stem for path in (EXAMPLES / "demonstrations").glob("*.py")} - {"stage"}
    text = Path(__file__).read_text("utf-8")
    assert [name for name in sorted(names) if f'show("{name}"' not in text] == []
