"""What a session asks of other nodes, and how long it waits for each answer."""

from enum import IntEnum

import numpy as np

from tmrl_operator.params import OperatorConfig


class Request(IntEnum):
    """What the shell shall ask of other nodes; each is answered through `answered`."""

    HOLD = 0
    RESET_SCENE = 1
    DRIVE_HOME = 2
    RESUME = 3


_CONTROLLER = "see whether the controller is alive and on time"
_ASKED = {
    Request.HOLD: ("controller/hold", _CONTROLLER),
    Request.RESUME: ("controller/resume", _CONTROLLER),
    Request.RESET_SCENE: ("scene/reset", "see whether the simulation is alive"),
}
"""Service and remedy of what is answered soon."""


def layout_seed(session_seed: int, episode: int) -> int:
    """Seed of an episode's layout: the same for the same seed of the session and number."""
    entropy = (session_seed, episode)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])


def timeout_s(request: Request, config: OperatorConfig) -> float:
    """Longest wait for the answer, wall time, s: the way home takes an arm's time."""
    going_home = request is Request.DRIVE_HOME
    return config.home_timeout_s if going_home else config.service_timeout_s


def unanswered(request: Request, config: OperatorConfig) -> str:
    """What to say when no answer came within that time."""
    limit_s = timeout_s(request, config)
    if request is Request.DRIVE_HOME:
        return (
            f"arm/home was not answered within {limit_s:g} s: see whether the driver is alive and "
            "the way home free; where the way only takes longer, raise operator.home_timeout_s, "
            "and keep it above the driver's arm.home_timeout_s"
        )
    service, remedy = _ASKED[request]
    return f"{service} was not answered within {limit_s:g} s (operator.service_timeout_s): {remedy}"
