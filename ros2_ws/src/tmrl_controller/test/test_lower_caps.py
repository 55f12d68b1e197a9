"""Caps on the steering go down while the controller runs, at once, and never up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.chunks import ChunkOutcome, ChunkResult
from tmrl_common.types import SteeringLimits
from tmrl_controller.testing import CONFIG, MORE_EXAMPLES, HardwareScene, of

CAPS = CONFIG.steering_limits
ABOVE = {
    "sigma_cap": ("sigma_above_cap", {"sigma": 0.4}),
    "z_cap": ("z_above_cap", {"z": np.array([0.4], dtype=np.float32)}),
    "epsilon_cap": ("epsilon_above_cap", {"epsilon": np.array([-0.4], dtype=np.float32)}),
}
"""For each cap, once it is 0.3: how a chunk above it is refused, and what is in the chunk."""


def outcomes(scene):
    return of(scene.log, ChunkOutcome)


@pytest.mark.parametrize(("name", "refusal"), ABOVE.items(), ids=ABOVE)
def test_the_next_chunk_above_a_lowered_cap_is_refused_by_name(scene, name, refusal):
    code, steering = refusal
    scene.offer(sequence=1, execute_steps=1, **({"sigma": 0.2} | steering))
    scene.run(1.0)
    assert [outcome.result for outcome in outcomes(scene)] == [ChunkResult.COMPLETED]

    assert scene.core.lower_caps(replace(CAPS, **{name: 0.3})).success
    scene.offer(sequence=2, chunk=1, execute_steps=1, **({"sigma": 0.2} | steering))
    scene.run(1.0)

    refused = outcomes(scene)[-1]
    assert (refused.result, refused.code) == (ChunkResult.REFUSED, code)
    assert "this rig's cap is 0.3" in refused.reason
    assert scene.core.status().caps == replace(CAPS, **{name: 0.3})


def test_a_chunk_that_waits_is_judged_by_the_caps_that_hold_when_it_would_begin(scene):
    scene.offer(sequence=1, execute_steps=8, sigma=0.2)
    scene.run(0.1)
    scene.offer(sequence=2, chunk=1, execute_steps=1, sigma=0.5)
    assert scene.core.lower_caps(replace(CAPS, sigma_cap=0.3)).success
    scene.run(3.0)

    codes = {outcome.chunk.sequence: outcome.code for outcome in outcomes(scene)}
    assert codes[2] == "sigma_above_cap"


def test_raising_names_value_limit_and_remedy(scene):
    scene.core.lower_caps(replace(CAPS, z_cap=0.5))
    reply = scene.core.lower_caps(replace(CAPS, z_cap=1.0))

    assert not reply.success
    assert "z_cap is to become 1, it is 0.5 and can only be lowered" in reply.message
    assert "restart the controller with the rig's value" in reply.message


def test_a_lowered_cap_is_announced_at_once(scene):
    scene.run(0.1)
    scene.core.lower_caps(replace(CAPS, sigma_cap=0.3))
    announced = of(scene.tick(), type(scene.core.status()))
    assert [status.caps.sigma_cap for status in announced] == [0.3]


LIMITS = st.builds(SteeringLimits, st.floats(0.0, 1.0), st.floats(0.01, 5.0), st.floats(0.01, 5.0))
CHANGES = st.one_of(
    LIMITS,
    st.dictionaries(st.sampled_from(["sigma_cap", "z_cap", "epsilon_cap"]), st.floats(0.01, 1.0)),
    st.sampled_from(["hold", "resume", "estop", "clear", "tick", "fault"]),
)


@settings(max_examples=200 * MORE_EXAMPLES)
@given(changes=st.lists(CHANGES, max_size=12))
def test_no_sequence_of_sets_ever_raises_a_cap(changes):
    scene = HardwareScene()
    acts = {
        "hold": scene.core.hold,
        "resume": scene.core.resume,
        "estop": scene.core.estop,
        "clear": lambda: scene.core.clear_estop("Ada"),
        "tick": scene.tick,
        "fault": lambda: scene.see(fault="motor 3 is off"),
    }
    for change in changes:
        before = scene.core.status().caps
        if isinstance(change, str):
            acts[change]()
            assert scene.core.status().caps == before
            continue
        wanted = change if isinstance(change, SteeringLimits) else replace(before, **change)
        lower = (
            wanted.sigma_cap <= before.sigma_cap
            and wanted.z_cap <= before.z_cap
            and wanted.epsilon_cap <= before.epsilon_cap
        )
        assert scene.core.lower_caps(wanted).success == lower
        assert scene.core.status().caps == (wanted if lower else before)
