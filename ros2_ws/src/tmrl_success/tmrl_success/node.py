"""The success head's node: journal in, suggestions out; a person decides."""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tmrl_msgs.msg import SuccessDetection
from tmrl_ros import qos
from tmrl_ros.conversion import stamp_of_nanoseconds
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node
from tmrl_success.head import SuccessHead, teach
from tmrl_success.journal_follower import JournalFollower
from tmrl_success.params import SuccessHeadConfig
from tmrl_success.suggester import Suggester, Suggestion

_LOOK_PERIOD_S = 0.1
_LABELS_PERIOD_S = 1.0


class SuccessHeadNode(TmrlNode[SuccessHeadConfig]):
    """Reads the journal as it grows, learns from its labels, and judges each new transition."""

    def __init__(self) -> None:
        """Begins to follow the journal.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
        """
        super().__init__("success_head", SuccessHeadConfig)
        config = self.config
        journal = Path(config.run_dir) / "journal.sqlite"
        self._journal = JournalFollower(journal, config.robot, config.session)
        self._suggester = Suggester(config.min_labels)
        self._publisher = self.create_publisher(SuccessDetection, "task/success", qos.VERDICT)
        self._teacher = ThreadPoolExecutor(1, "teacher")
        self._taught: Future[SuccessHead] | None = None
        self.create_timer(_LOOK_PERIOD_S, self._look, clock=self.wall_clock)
        self.create_timer(_LABELS_PERIOD_S, self._look_at_labels, clock=self.wall_clock)

    def health(self) -> tuple[str, dict[str, str]]:
        """Why the journal cannot be read; what the head can do, and which labels it doubts."""
        head = self._suggester.head
        doubts = [str(doubt.episode) for doubt in head.doubts] if head else []
        figures = {"state": self._suggester.state, "look_again": " ".join(doubts)}
        return self._journal.problem, figures

    def destroy_node(self) -> None:
        """Waits for what is being taught, and releases the journal."""
        self._teacher.shutdown()
        self._journal.close()
        super().destroy_node()

    def _look(self) -> None:
        suggestion = self._suggester.transitions(self._journal.transitions())
        if suggestion is not None:
            self._publish(suggestion)

    def _look_at_labels(self) -> None:
        if self._taught is not None:
            if not self._taught.done():
                return
            self._suggester.head = self._taught.result()
            self._taught = None
        self._suggester.labels(self._journal.outcomes())
        lesson = self._suggester.lesson()
        if lesson is not None:
            self._taught = self._teacher.submit(teach, lesson, self.config.precision)

    def _publish(self, suggestion: Suggestion) -> None:
        message = SuccessDetection(
            robot=self.config.robot,
            success=suggestion.success,
            confidence=suggestion.confidence,
            ground_truth=False,
            detail=suggestion.detail,
        )
        message.header.stamp = stamp_of_nanoseconds(suggestion.stamp_ns)
        self._publisher.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_success success_head`."""
    sys.exit(run_node(SuccessHeadNode))
