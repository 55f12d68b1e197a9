"""Publishes and logs what the controller reports, on the node's executor and never on its tick.

A tick that published every outcome of a flood of chunks, or waited for a full disk, would be late.
"""

# Generated messages are typed in part only.

import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tmrl_common.chunks import ChunkOutcome, ChunkResult, Preemption
from tmrl_common.clock import Clock, SteadyClock
from tmrl_controller import messages
from tmrl_controller.config import ControllerConfig
from tmrl_controller.decisions import ControllerStatus, Report
from tmrl_controller.estop_file import EstopFile
from tmrl_msgs import msg
from tmrl_ros import chunk_messages, qos
from tmrl_ros.executor import wake
from tmrl_ros.node import TmrlNode

_LOG_PERIOD_S = 5.0
_EXPECTED = frozenset({"", Preemption.HOLD, Preemption.TELEOP, Preemption.NEWER_CHUNK})
"""Ends of chunks that belong to every session: labels hold the arm, and people take over."""


class Throttle:
    """Lets one line per kind and period through, and counts the others."""

    def __init__(self, period_s: float, clock: Clock) -> None:
        """Takes the period, s, and the clock that measures it."""
        self._period_s = period_s
        self._clock = clock
        self._next_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def line(self, kind: str, text: str) -> str:
        """The line to log, with how many of its kind were left out before; empty: not now."""
        now_s = self._clock.now_s()
        if now_s < self._next_s.get(kind, now_s):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return ""
        self._next_s[kind] = now_s + self._period_s
        left_out = self._left_out.pop(kind, 0)
        return f"{text} ({left_out} more of this kind since the last line)" if left_out else text


class Reporter:
    """Takes reports from any thread and delivers them, in their order, on the node's executor."""

    def __init__(
        self,
        node: TmrlNode[ControllerConfig],
        config: Callable[[], ControllerConfig],
        stamp_ns: Callable[[], int],
        estop_file: EstopFile,
        *,
        wakes: bool,
    ) -> None:
        """Makes the publishers.

        Args:
            node: Publishes and logs.
            config: The limits that hold now, for the status.
            stamp_ns: ROS time of now.
            estop_file: Remembers a latched e-stop.
            wakes: Whether what is taken is delivered by a wake-up of the node: needed where another
                thread ticks, and work done twice where `deliver` is called after every tick.
        """
        self._config, self._stamp_ns, self._estop_file = config, stamp_ns, estop_file
        self._logger = node.get_logger()
        self._throttle = Throttle(_LOG_PERIOD_S, SteadyClock())
        publish = node.create_publisher
        self._outcomes = publish(msg.ChunkOutcome, "controller/outcome", qos.EVENT)
        self._statuses = node.create_publisher(
            msg.ControllerStatus, "controller/status", qos.STATUS
        )
        self._waiting: deque[Report | Exception] = deque()
        self._wake = partial(wake, node, self.deliver) if wakes else None

    @property
    def outcome_listeners(self) -> int:
        """How many hear the outcomes."""
        return self._outcomes.get_subscription_count()

    def take(self, report: Report | Exception) -> None:
        """Takes what is to be reported, from any thread; returns at once."""
        self._waiting.append(report)
        if self._wake is not None:
            self._wake()

    def deliver(self) -> None:
        """Publishes and logs what waits; on the executor only."""
        while self._waiting:
            report = self._waiting.popleft()
            if isinstance(report, ChunkOutcome):
                self._outcomes.publish(chunk_messages.chunk_outcome_msg(report))
                self._log_outcome(report)
            elif isinstance(report, ControllerStatus):
                self._publish_status(report)
            else:
                self._log_error(report)

    def _log_error(self, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        if line := self._throttle.line(repr(error), f"the arm holds after an error: {trace}"):
            self._logger.error(line)

    def _log_outcome(self, outcome: ChunkOutcome) -> None:
        if outcome.result is ChunkResult.COMPLETED:
            return
        text = f"chunk {outcome.chunk.sequence}: {outcome.reason}"
        line = self._throttle.line(outcome.code, text)
        if line and outcome.code in _EXPECTED:
            self._logger.info(line)
        elif line:
            self._logger.warning(line)

    def _publish_status(self, status: ControllerStatus) -> None:
        problem = self._estop_file.follow(status)
        if problem:
            status = replace(status, reason=f"{status.reason}; {problem}")
            if line := self._throttle.line("estop file", problem):
                self._logger.error(line)
        self._statuses.publish(messages.status_msg(status, self._config(), self._stamp_ns()))
