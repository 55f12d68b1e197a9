"""Which service does what a person asks for, and how its answer reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from std_srvs.srv import Trigger

from tmrl_common.types import Outcome
from tmrl_console.protocol import Command, Verb
from tmrl_msgs.msg import EpisodeState
from tmrl_msgs.srv import ClearEstop, DiscardEpisode, LabelEpisode, PersonRequest


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: Relative, such as "operator/label".
        kind: Its type.
        request: Makes the request for a command.
    """

    name: str
    kind: Any
    request: Callable[[Command], Any]


def _trigger(_: Command) -> Trigger.Request:
    return Trigger.Request()


def _of_a_person(command: Command) -> PersonRequest.Request:
    return PersonRequest.Request(operator_name=command.name)


def _label(outcome: Outcome) -> Callable[[Command], LabelEpisode.Request]:
    return lambda command: LabelEpisode.Request(
        outcome=int(outcome),
        operator_name=command.name,
        episode=command.episode,
    )


def _discard(command: Command) -> DiscardEpisode.Request:
    return DiscardEpisode.Request(episode=command.episode, operator_name=command.name)


def _clear(command: Command) -> ClearEstop.Request:
    return ClearEstop.Request(operator_name=command.name)


RESET_DONE = Service("operator/reset_done", PersonRequest, _of_a_person)
SERVICES: Mapping[Verb, Service] = {
    Verb.START: Service("operator/start", PersonRequest, _of_a_person),
    Verb.STOP: Service("operator/stop", PersonRequest, _of_a_person),
    Verb.PAUSE: Service("operator/pause", PersonRequest, _of_a_person),
    Verb.SUCCESS: Service("operator/label", LabelEpisode, _label(Outcome.SUCCESS)),
    Verb.FAILURE: Service("operator/label", LabelEpisode, _label(Outcome.FAILURE)),
    Verb.UNDO: Service("operator/undo", PersonRequest, _of_a_person),
    Verb.DISCARD: Service("operator/discard", DiscardEpisode, _discard),
    Verb.HOLD: Service("controller/hold", Trigger, _trigger),
    Verb.RESUME: Service("controller/resume", Trigger, _trigger),
    Verb.ESTOP: Service("controller/estop", Trigger, _trigger),
    Verb.CLEAR_ESTOP: Service("controller/clear_estop", ClearEstop, _clear),
}


def every_service() -> dict[str, Any]:
    """Returns the type of each service that the console calls, by its name."""
    return {each.name: each.kind for each in (*SERVICES.values(), RESET_DONE)}


def service_for(command: Command, episode_state: int | None) -> Service:
    """Returns the service that does it.

    Args:
        command: Of a person.
        episode_state: Constant of EpisodeState; None while none has come. While the scene is being
            reset, `start` says that it is done: one key for "continue".
    """
    if command.verb is Verb.START and episode_state == EpisodeState.RESETTING:
        return RESET_DONE
    return SERVICES[command.verb]


def missing(service: str) -> str:
    """The sentence where nobody serves it."""
    node = service.partition("/")[0]
    if service == "controller/estop":
        return (
            "the e-stop was published, but no controller is there to confirm it: press the "
            "hardware e-stop"
        )
    return f"nobody serves {service}: the {node} does not run; look at who is alive"
