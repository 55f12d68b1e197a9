"""Joint states on the vendor's topic, as drivers and second publishers send them.

`given` lists what differs from a good message, for each message in turn:

    messages: [{position: 6}, {}]     # so many numbers; name: [...] for other names
"""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tmrl_arm.interbotix.config import JOINTS
from tmrl_arm.interbotix.joint_states import LEFT_FINGER, JointStates

from ..heard import Heard
from ..reading import Answer, Outcome

_NAMES = (*JOINTS, "gripper", LEFT_FINGER, "right_finger")


def read(given: dict[str, Any], folder: Path) -> Answer:
    """Whether the last message is the arm's state now, and what the log says."""
    del folder
    states = JointStates("/wx250s/joint_states")
    with Heard("tmrl_arm.interbotix.joint_states", logging.WARNING) as heard:
        for number, changes in enumerate(given["messages"]):
            states.take(_message(changes), float(number))
    last = float(len(given["messages"]) - 1)
    taken = states.newest is not None and states.newest.received_s == last
    text = "; ".join(heard.texts)
    if not taken:
        return Answer(Outcome.REFUSED, text or "it names not all of the arm's joints")
    outcome = Outcome.WARNED if text else Outcome.TAKEN
    return Answer(outcome, f"{len(heard.texts)} warning(s) {text}")


def _message(changes: dict[str, Any]) -> SimpleNamespace:
    names = changes.get("name", _NAMES)
    arrays = {
        part: [0.02] * changes.get(part, len(names)) for part in ("position", "velocity", "effort")
    }
    return SimpleNamespace(name=list(names), **arrays)
