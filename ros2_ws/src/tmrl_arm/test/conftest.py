"""Fixtures of the tests of this package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tmrl_common.testing.waiting import wait_until

pytest.register_assert_rewrite("tmrl_arm.testing.contract", "tmrl_arm.testing.kinematics_contract")

HERE = Path(__file__).parent


class StandIn:
    """The stand-in's process; it can be killed and started again."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.start()

    def start(self) -> None:
        command = [sys.executable, HERE / "interbotix_stand_in.py", "wx250s", self._log]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def fault(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        wait_until(
            lambda: line.split() in [e["values"] for e in self.log("fault")],
            "the stand-in to take a fault in",
        )

    def log(self, *what: str) -> list[dict]:
        if not self._log.exists():
            return []
        entries = map(json.loads, self._log.read_text(encoding="utf-8").splitlines())
        return [entry for entry in entries if not what or entry["what"] in what]


@pytest.fixture(scope="session")
def messages():
    sys.path.insert(0, str(HERE))
    try:
        import interbotix_messages
    finally:
        sys.path.remove(str(HERE))
    interbotix_messages.provide()


@pytest.fixture
def stand_in(messages, ros_domain_id, tmp_path):
    process = StandIn(tmp_path / "stand_in.jsonl")
    try:
        yield process
    finally:
        process.kill()
