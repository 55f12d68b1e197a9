"""ROS messages to what the machine hears, and what it decides to ROS messages."""

from tmrl_msgs.msg import AgentStatus, ControllerStatus, EpisodeOutcome, EpisodeState
from tmrl_operator.episode import EpisodeMachine
from tmrl_operator.ledger import Label
from tmrl_operator.params import OperatorConfig
from tmrl_ros.conversion import stamp_of_nanoseconds

_TROUBLE = {ControllerStatus.ESTOP: "e-stop", ControllerStatus.FAULT: "controller fault"}


def controller_news(message: ControllerStatus) -> tuple[str, str, str]:
    """The controller's e-stop or fault, why it holds the arm, whom it waits for; empty: not so."""
    trouble = _TROUBLE.get(message.mode, "")
    holds = message.reason if message.mode == ControllerStatus.HOLD else ""
    return f"{trouble}: {message.reason}" if trouble else "", holds, message.waits_for


def agent_trouble(message: AgentStatus) -> str:
    """Why the agent cannot go on; empty while it can."""
    if message.reason or message.server_connected:
        return message.reason
    return "it has no policy server"


def label_msg(label: Label, config: OperatorConfig) -> EpisodeOutcome:
    """A label."""
    message = EpisodeOutcome(
        robot=config.robot,
        session=config.session,
        episode=label.episode,
        outcome=int(label.outcome),
        source=label.source,
        detail=label.detail,
        revision=label.revision,
    )
    message.header.stamp = stamp_of_nanoseconds(label.stamp_ns)
    return message


def state_msg(machine: EpisodeMachine, config: OperatorConfig) -> EpisodeState:
    """Where the session stands; the stamp is left to the node."""
    return EpisodeState(
        robot=config.robot,
        session=config.session,
        episode=machine.episode,
        state=int(machine.state),
        reason=machine.reason,
        started=stamp_of_nanoseconds(machine.started_ns),
        time_limit_s=config.time_limit_s,
        first_arm_state_sequence=machine.first_arm_state_sequence,
    )
