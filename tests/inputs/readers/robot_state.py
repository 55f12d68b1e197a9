"""Robot states as arms and clients send them, shown to a served pi0 of tiny size.

`given` names the columns of a usual state of the rig that are otherwise, and how often it is shown:

    rig: droid                      # otherwise bridge
    state: {tool_x: 251.0}
    times: 3                        # otherwise once
"""

import logging
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tmrl_common.errors import RequestError
from tmrl_common.types import Observation
from tmrl_policies.pi0.inputs.rigs import rig_named
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics, write_statistics
from tmrl_policies.pi0.inputs.testing import make_statistics, write_checkpoint
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policies.units import unit_of

from ..heard import Heard
from ..reading import Answer, Outcome

_SPREADS = {"m": (0.25, 0.08), "rad": (0.3, 0.4)}


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer to a robot state."""
    del folder  # The checkpoint is made once for all of them.
    policy = _policy(given.get("rig", "bridge"))
    rig = rig_named(given.get("rig", "bridge"))
    example = policy.example()
    state = example.proprio.copy()
    for column, value in given["state"].items():
        state[rig.state.index(column)] = value
    observation = Observation(state, example.context, example.images, "put the pot")
    policy._watch._said.clear()
    with Heard("tmrl_policies.far_state", logging.WARNING) as heard:
        try:
            for _ in range(given.get("times", 1)):
                far = policy.far_columns(policy.observe(observation))
        except RequestError as error:
            return Answer(Outcome.REFUSED, str(error))
    if not heard.texts:
        return Answer(Outcome.TAKEN)
    text = f"{len(heard.texts)} warning(s), far: {', '.join(far)}. " + "; ".join(heard.texts)
    return Answer(Outcome.WARNED, text)


@lru_cache
def _policy(rig_name: str) -> Pi0Policy:
    rig = rig_named(rig_name)
    usual = [_SPREADS.get(unit.name if (unit := unit_of(c)) else "", (0.5, 0.3)) for c in rig.state]
    mean, std = np.array(usual).T
    with tempfile.TemporaryDirectory() as name:
        write_checkpoint(Path(name), rig)
        statistics = RobotStatistics(Statistics(mean, std), make_statistics(rig).actions)
        write_statistics(Path(name), rig.name, statistics)
        return Pi0Policy.load(Path(name), Pi0Settings(dino="none", device="cpu"))
