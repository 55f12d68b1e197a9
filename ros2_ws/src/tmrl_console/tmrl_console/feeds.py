"""The topics that the console listens to, and what each puts on the board."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from tmrl_common.clock import Clock
from tmrl_common.types import Outcome
from tmrl_console import sections
from tmrl_console.alive import Heartbeats
from tmrl_console.board import Board
from tmrl_console.history import Chunks, Labels, TakeOvers
from tmrl_msgs import msg
from tmrl_ros import qos

_SUCCESS_HEAD = "success_head"


@dataclass(frozen=True)
class Topic:
    """One topic to subscribe to.

    Attributes:
        kind: Class of its messages.
        name: Relative name.
        profile: Quality of service.
        take: Takes a message.
    """

    kind: type
    name: str
    profile: Any
    take: Callable[[Any], None]


class Feeds:
    """Keeps the board up to date. Everything here runs in the ROS thread."""

    def __init__(self, board: Board, robot: str, session: str, clock: Clock) -> None:
        """Begins with what is known without any message.

        Args:
            board: Is kept up to date.
            robot: Name of the arm.
            session: Messages of other sessions are passed over; empty: of none.
            clock: Wall time.
        """
        self._board, self._robot, self._session = board, robot, session
        self._labels, self._chunks = Labels(), Chunks()
        self._take_overs, self._alive = TakeOvers(clock), Heartbeats(robot, clock)
        self._arm: msg.ArmState | None = None

    def topics(self) -> list[Topic]:
        """Returns every topic but those of cameras."""
        return [
            Topic(msg.EpisodeState, "episode/state", qos.STATUS, self._on_episode),
            Topic(msg.EpisodeOutcome, "episode/outcome", qos.LABELS, self._on_label),
            Topic(msg.ControllerStatus, "controller/status", qos.STATUS, self._on_controller),
            Topic(msg.AgentStatus, "agent/status", qos.STATUS, self._on_agent),
            Topic(msg.LearnerStatus, "learner/status", qos.STATUS, self._on_learner),
            # Not policy/chunk nor controller/outcome: an episode begins when those have listeners.
            Topic(msg.Transition, "replay/transitions", qos.EVENT, self._on_transition),
            Topic(msg.ArmState, "arm/state", qos.STATE, self._on_arm),
            Topic(DiagnosticArray, "/diagnostics", 10, self._on_heartbeat),
        ]

    def refresh(self) -> None:
        """Puts up what changes with time alone, and what comes too often to be put up each time."""
        if self._arm is not None:
            self._board.pin("arm", sections.arm(self._arm))
        self._board.pin("alive", self._alive.section())
        self._board.pin("take_overs", self._take_overs.section())

    @property
    def gripper(self) -> float | None:
        """The opening last commanded, 0 closed to 1 open; None before the first arm state."""
        return None if self._arm is None else self._arm.gripper_command

    def _ours(self, session: str) -> bool:
        return not self._session or session == self._session

    def _on_episode(self, message: msg.EpisodeState) -> None:
        if self._ours(message.session):
            self._board.pin("episode", sections.episode(message))

    def _on_label(self, message: msg.EpisodeOutcome) -> None:
        if self._ours(message.session):
            outcome = Outcome(message.outcome)
            self._labels.add(message.episode, outcome, message.revision, message.source)
            self._board.pin("episodes", self._labels.section())

    def _on_controller(self, message: msg.ControllerStatus) -> None:
        self._board.pin("controller", sections.controller(message))
        driven = message.mode == msg.ControllerStatus.TELEOP
        self._take_overs.see(self._board.get("episode", "number", 0), driven=driven)
        self._board.pin("take_overs", self._take_overs.section())

    def _on_agent(self, message: msg.AgentStatus) -> None:
        if self._ours(message.session):
            self._board.pin("agent", sections.agent(message))

    def _on_learner(self, message: msg.LearnerStatus) -> None:
        if self._ours(message.session):
            self._board.pin("learner", sections.learner(message))

    def _on_transition(self, message: msg.Transition) -> None:
        if self._ours(message.session):
            self._chunks.add(sections.chunk(message))
            self._board.pin("chunks", self._chunks.section())

    def _on_arm(self, message: msg.ArmState) -> None:
        self._arm = message

    def _on_heartbeat(self, message: DiagnosticArray) -> None:
        for status in message.status:
            well = status.level == DiagnosticStatus.OK
            self._alive.beat(status.hardware_id, "" if well else status.message)
            if status.hardware_id == f"{self._robot}/{_SUCCESS_HEAD}":
                self._board.pin(_SUCCESS_HEAD, sections.success_head(status))
