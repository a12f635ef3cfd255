"""The AI SDK and TanStack AI, as npm has them, with the servers of the guide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ROOT, ServerProcess, free_port

from . import npm
from .cutting import CuttingProxy

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("node", "npm", "fastapi", "uvicorn"),
    pytest.mark.timeout(240),  # the first test installs the packages
    pytest.mark.xdist_group("browser"),
]

PROMPT = " ".join(f"w{number}" for number in range(40)) + " last"
ANSWER = f"You ask: {PROMPT} "
MARK = b'"w7'
"""The cut is in the middle of an event."""

GUIDE = (ROOT / "examples" / "guide" / "browser.md").read_text("utf-8")
SERVERS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    if "Runs(" in block
]


@contextmanager
def serving(module: str, source: str, directory: Path) -> Iterator[ServerProcess]:
    """Serve a block of the guide."""
    (directory / f"{module}.py").write_text(source, "utf-8")
    port = free_port()
    command = ("-m", "uvicorn", "--http", "h11", "--port", str(port), f"{module}:chat_api")
    with ServerProcess(command, port, directory / "server.log") as process:
        process.wait_ready(PROBE)
        yield process


def failing(source: str) -> str:
    """Return the block with a producer that fails in mid-answer."""
    yielded = "        await anyio.sleep(0.05)\n"
    assert source.count(yielded) == 1
    return source.replace(yielded, f"{yielded}        assert word != 'w7', 'a secret'\n")


class TestAISDK:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[ServerProcess]:
        with serving("ai_sdk", SERVERS[0], tmp_path) as process:
            yield process
            assert "Traceback" not in process.log

    def play(self, url: str, directory: Path, scene: str) -> Any:
        return npm.run("ai_sdk.mjs", directory, url, PROMPT, scene)

    def test_answer_is_shown_as_one_message(self, server: ServerProcess, tmp_path: Path) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "whole")
        assert (found["shown"], found["status"], found["error"]) == ([ANSWER], "ready", None)
        assert found["answers"] == [[200, "v1"]]

    def test_stream_ends_as_the_protocol_says(self, server: ServerProcess) -> None:
        chat = {"id": "1", "messages": [{"parts": [{"type": "text", "text": "why"}]}]}
        json_type = (("content-type", "application/json"),)
        with Http1Connection(server.port) as connection:
            body = json.dumps(chat).encode()
            answer = connection.request("POST", "/api/chat", headers=json_type, body=body)
            text = answer.read_body().decode()
        assert {line.partition(":")[0] for line in text.splitlines()} == {"data", ""}
        assert text.endswith('data: {"type":"finish"}\n\ndata: [DONE]\n\n')

    def test_failed_run_is_an_error_without_its_secrets(self, tmp_path: Path) -> None:
        with serving("ai_sdk", failing(SERVERS[0]), tmp_path) as process:
            found = self.play(f"http://127.0.0.1:{process.port}", tmp_path, "whole")
        assert found["shown"] == [ANSWER[: ANSWER.index("w7")]]
        assert (found["status"], found["error"]) == ("error", "error")

    def test_chat_without_a_run_is_not_resumed(self, server: ServerProcess, tmp_path: Path) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "idle")
        assert found == {"shown": [], "answers": [[204, None]], "found": None, "status": "ready"}

    def test_pages_loaded_in_mid_answer_show_all_of_it(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "reload")
        (before,) = found["before"]
        assert ANSWER.startswith(before)
        assert before != ANSWER
        assert found["shown"] == [[ANSWER]] * 3
        assert found["answers"] == [*[[[200, "v1"]]] * 3, [[204, None]]]

    def test_chat_whose_connection_broke_resumes(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        with CuttingProxy(server.port, MARK) as proxy:
            found = self.play(proxy.url, tmp_path, "cut")
            assert proxy.cuts == 1
        assert found["before"] != [ANSWER]
        assert found["broken"] == "error"
        assert (found["shown"], found["status"]) == ([ANSWER], "ready")

    def test_stop_ends_the_answer_on_all_pages(self, server: ServerProcess, tmp_path: Path) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "stop")
        (one,), (other,) = found["shown"]
        assert one == other
        assert ANSWER.startswith(one)
        assert one != ANSWER
        assert (found["answer"], found["status"]) == ("stopped", "ready")


class TestTanStackAI:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[ServerProcess]:
        with serving("tanstack", SERVERS[1], tmp_path) as process:
            yield process
            assert "Traceback" not in process.log

    def play(self, url: str, directory: Path, scene: str) -> Any:
        return npm.run("tanstack.mjs", directory, url, PROMPT, scene)

    def test_answer_is_shown_as_one_message(self, server: ServerProcess, tmp_path: Path) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "whole")
        assert (found["shown"], found["status"], found["errors"]) == ([ANSWER], "ready", [])
        assert [request[:2] for request in found["requests"]] == [["POST", False]]

    def test_failed_run_is_an_error_without_its_secrets(self, tmp_path: Path) -> None:
        with serving("tanstack", failing(SERVERS[1]), tmp_path) as process:
            found = self.play(f"http://127.0.0.1:{process.port}", tmp_path, "whole")
        assert found["shown"] == [ANSWER[: ANSWER.index("w7")]]
        assert (found["status"], found["errors"]) == ("error", ["error"])
        assert len(found["requests"]) == 1

    def test_cut_connection_is_resumed_without_a_second_answer(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        with CuttingProxy(server.port, MARK) as proxy:
            found = self.play(proxy.url, tmp_path, "whole")
            assert proxy.cuts == 1
        assert (found["shown"], found["status"], found["errors"]) == ([ANSWER], "ready", [])
        first, second = found["requests"]
        assert (first[:2], second[:2]) == (["POST", False], ["POST", True])
        assert first[2] == second[2] is not None

    def test_cut_after_the_end_shows_the_end_again(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        with CuttingProxy(server.port, b"RUN_FINISHED.*?\n\n") as proxy:
            found = self.play(proxy.url, tmp_path, "whole")
            assert proxy.cuts == 1
        assert (found["shown"], found["status"], found["errors"]) == ([ANSWER], "ready", [])

    def test_run_is_joined_in_mid_answer_and_after_its_end(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "reload")
        (before,) = found["before"]
        assert ANSWER.startswith(before)
        assert before != ANSWER
        assert found["shown"] == [ANSWER]
        for joined in (found["other"], found["late"]):
            assert joined["text"] == ANSWER
            assert joined["types"][-1] == "RUN_FINISHED"

    def test_stop_ends_the_answer_with_its_reason(
        self, server: ServerProcess, tmp_path: Path
    ) -> None:
        found = self.play(f"http://127.0.0.1:{server.port}", tmp_path, "stop")
        (shown,) = found["shown"]
        assert ANSWER.startswith(shown)
        assert shown != ANSWER
        assert (found["answer"], found["errors"]) == ("stopped", ["stopped"])
        assert len(found["requests"]) == 1
