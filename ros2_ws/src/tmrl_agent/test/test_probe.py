"""A probe: episodes in turn with settings of the steering, drawn by the agent itself."""

import numpy as np
import pytest

from tmrl_agent.probe import Probe, probe_of, setting_of
from tmrl_agent.testing import SPEC, World, made_config
from tmrl_common.errors import ConfigError
from tmrl_common.types import SteeringSource

SETTINGS = ("full@0", "repeated:1.5@0.3", "warmup")


def asked_in(episode: int) -> Probe | SteeringSource:
    world = World(last_episode=episode - 1, probe=SETTINGS)
    world.run(episode)
    world.see(0)
    return world.asked[0].source


def test_the_episodes_take_turns() -> None:
    assert [str(asked_in(episode)) for episode in (1, 2, 4)] == ["full@0", SETTINGS[1], "full@0"]
    assert asked_in(3) is SteeringSource.UNIFORM
    assert [setting_of(SETTINGS, n) for n in range(1, 5)] == [*SETTINGS, "full@0"]


@pytest.mark.parametrize(
    ("setting", "shape"),
    [("full@0.25", (8, 7)), ("repeated@0.25", (7,)), ("repeated:1.5@0.25", (7,))],
)
def test_z_is_drawn_as_the_setting_says(setting: str, shape: tuple[int, ...]) -> None:
    probe = probe_of((setting,), 1)
    assert probe is not None
    drawn = [probe.steering(SPEC, seed) for seed in range(400)]
    assert {each.z.shape for each in drawn} == {shape}
    assert {each.source for each in drawn} == {SteeringSource.EXPLICIT}
    assert {each.sigma for each in drawn} == {0.25}
    assert not any(each.epsilon.size for each in drawn), "the server draws its context noise"
    z = np.stack([each.z for each in drawn])
    if probe.bound:
        assert 1.4 < np.abs(z).max() <= 1.5
    else:
        assert z.std() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(z[3], probe.steering(SPEC, 3).z)


@pytest.mark.parametrize("setting", ["full", "full@1.5", "half@0", "repeated:-1@0", "base"])
def test_a_setting_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="write warmup, or NOISE@SIGMA"):
        made_config(probe=(setting,))
