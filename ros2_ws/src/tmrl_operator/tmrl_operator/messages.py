"""ROS messages to the machine's events, and what it decides to ROS messages."""

from typing import Any

from builtin_interfaces.msg import Time
from std_srvs.srv import Trigger

from tmrl_common.types import Outcome
from tmrl_msgs.msg import (
    AgentStatus,
    ArmState,
    ControllerStatus,
    EpisodeOutcome,
    EpisodeState,
    SuccessDetection,
)
from tmrl_msgs.srv import DiscardEpisode, LabelEpisode, RelabelEpisode, ResetScene
from tmrl_operator.effects import Ask, Effect, KeepLabel, PublishLabel
from tmrl_operator.episode import EpisodeMachine
from tmrl_operator.events import (
    AgentNews,
    Answered,
    ArmSeen,
    ControllerNews,
    Discard,
    GiveLabel,
    Relabel,
    Suggestion,
    Verdict,
)
from tmrl_operator.ledger import Label
from tmrl_operator.params import OperatorConfig
from tmrl_operator.requests import Request
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds

_CHANGES_LABELS = (LabelEpisode.Response, RelabelEpisode.Response, DiscardEpisode.Response)
"""The answers that say which label was changed."""

_TROUBLE = {ControllerStatus.ESTOP: "e-stop", ControllerStatus.FAULT: "controller fault"}


def controller_news(message: ControllerStatus) -> ControllerNews:
    """Returns the controller's e-stop or fault, why it holds the arm, and whom it waits for."""
    trouble = _TROUBLE.get(message.mode, "")
    return ControllerNews(
        trouble=f"{trouble}: {message.reason}" if trouble else "",
        holds=message.reason if message.mode == ControllerStatus.HOLD else "",
        waits_for=message.waits_for,
    )


def agent_news(message: AgentStatus) -> AgentNews:
    """Returns the agent's life, and why it cannot act."""
    lost = "" if message.server_connected else "it has no policy server"
    return AgentNews(message.agent_epoch, message.reason or lost)


def to_arm(message: ArmState) -> ArmSeen:
    """Returns when an arm state was measured, and its number."""
    return ArmSeen(nanoseconds(message.header.stamp), message.sequence)


def to_verdict(message: SuccessDetection) -> Verdict:
    """Returns what the simulation says of one instant."""
    return Verdict(nanoseconds(message.header.stamp), message.success, message.detail)


def to_suggestion(message: SuccessDetection) -> Suggestion:
    """Returns what a detector that only suggests says of one instant."""
    stamp_ns = nanoseconds(message.header.stamp)
    return Suggestion(stamp_ns, message.success, message.confidence, message.detail)


def to_label(request: LabelEpisode.Request) -> GiveLabel:
    """Returns the label that a person gives.

    Raises:
        ValueError: There is no such outcome.
    """
    stamp_ns, person = nanoseconds(request.stamp), request.operator_name
    return GiveLabel(Outcome(request.outcome), stamp_ns, person, request.episode)


def to_discard(request: DiscardEpisode.Request) -> Discard:
    """Returns which episode a person discards."""
    return Discard(request.episode, request.operator_name)


def to_relabel(request: RelabelEpisode.Request) -> Relabel:
    """Returns the change of a label that a person wants.

    Raises:
        ValueError: There is no such outcome.
    """
    return Relabel(request.episode, Outcome(request.outcome), request.operator_name)


def service_request(asked: Ask) -> ResetScene.Request | Trigger.Request:
    """Returns the request of the service that does what the machine asks for."""
    reset = asked.request is Request.RESET_SCENE
    return ResetScene.Request(seed=asked.seed) if reset else Trigger.Request()


def to_answered(asked: Ask, response: Any) -> Answered:
    """Returns another node's answer."""
    request = asked.request
    sequence = response.arm_state_sequence if request is Request.RESET_SCENE else 0
    return Answered(request, asked.number, response.success, response.message, sequence)


def fill_answer(response: Any, effects: list[Effect], machine: EpisodeMachine) -> None:
    """Makes an answer say what was done: which label was changed, or where the session stands."""
    response.success, response.message = True, machine.state.name.lower()
    changes = [effect for effect in effects if isinstance(effect, PublishLabel | KeepLabel)]
    if not changes:
        return
    change = changes[-1]
    response.message = change.sentence
    if not isinstance(response, _CHANGES_LABELS):
        return
    response.episode = change.label.episode
    response.outcome_before = int(change.before)
    response.outcome = int(change.label.outcome)
    response.revision = change.label.revision


def label_msg(label: Label, config: OperatorConfig) -> EpisodeOutcome:
    """A label."""
    message = EpisodeOutcome(
        robot=config.robot,
        session=config.session,
        episode=label.episode,
        outcome=int(label.outcome),
        source=label.source,
        author=label.author,
        detail=label.detail,
        revision=label.revision,
    )
    message.header.stamp = stamp_of_nanoseconds(label.stamp_ns)
    return message


def state_msg(machine: EpisodeMachine, config: OperatorConfig, stamp: Time) -> EpisodeState:
    """Returns where the session stands."""
    message = EpisodeState(
        robot=config.robot,
        session=config.session,
        episode=machine.episode,
        state=int(machine.state),
        reason=machine.reason,
        started=stamp_of_nanoseconds(machine.started_ns),
        time_limit_s=config.time_limit_s,
        first_arm_state_sequence=machine.first_arm_state_sequence,
        suggestion=int(Outcome.PENDING),
    )
    if machine.suggestion is not None:
        message.suggestion = int(Outcome.SUCCESS)
        message.suggestion_confidence = machine.suggestion.confidence
        message.suggestion_detail = machine.suggestion.detail
    message.header.stamp = stamp
    return message
