"""The success head over DDS, beside an agent's journal that grows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from tmrl_agent.journal import Journal
from tmrl_agent.testing import made_label
from tmrl_common.types import Outcome
from tmrl_msgs.msg import SuccessDetection
from tmrl_ros import qos
from tmrl_ros.testing import NodeBench
from tmrl_success.node import SuccessHeadNode
from tmrl_success.testing import episode, session

pytestmark = pytest.mark.ros


class Listener(Node):
    """Hears suggestions, and how the head is."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.suggestions: list[SuccessDetection] = []
        self.figures: dict[str, str] = {}
        self.reason = ""
        take = self.suggestions.append
        self.create_subscription(SuccessDetection, "task/success", take, qos.EVENT)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, 10)

    def _on_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.figures = {each.key: each.value for each in status.values}
            self.reason = status.message


@pytest.fixture
def bench(ros_domain_id: int, tmp_path: Path) -> Iterator[NodeBench]:
    parameters = {"robot": "widowx", "session": "run", "run_dir": tmp_path, "min_labels": 10}
    with NodeBench(ros_domain_id, "success_head", parameters) as bench:
        yield bench


def test_what_labels_taught_is_suggested_and_a_person_decides(
    bench: NodeBench, tmp_path: Path
) -> None:
    listener = bench.add(Listener)
    bench.add(SuccessHeadNode)
    bench.until(lambda: listener.figures, "a heartbeat before there is a journal")
    assert listener.reason == "ok"
    random = np.random.default_rng(1)
    with Journal(tmp_path / "journal.sqlite", "widowx", "run") as journal:
        for number, outcome in session(15, 15, seed=7):
            rows = episode(number, outcome, random)
            journal.append(rows, made_label(number, outcome, float(number)))
        bench.until(lambda: listener.figures["state"].startswith("suggests"), "a taught head")
        assert not listener.suggestions, "everything has a label"
        for row in episode(31, Outcome.SUCCESS, random):
            heard = len(listener.suggestions)
            journal.append([row])
            bench.until(lambda n=heard: len(listener.suggestions) > n, "a judgement")
    assert [each.success for each in listener.suggestions] == [False] * 5 + [True]
    assert not any(each.ground_truth for each in listener.suggestions)
    assert {each.robot for each in listener.suggestions} == {"widowx"}


def test_a_damaged_journal_is_named_and_nothing_is_suggested(
    bench: NodeBench, tmp_path: Path
) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"this is no journal" * 100)
    listener = bench.add(Listener)
    bench.add(SuccessHeadNode)
    bench.until(lambda: "journal.sqlite" in listener.reason, "what is wrong")
    assert not listener.suggestions
