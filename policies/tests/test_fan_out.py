"""Many chunks of one observation: each is the one that is made alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_common.types import Observation
from tmrl_policies.flow_policy import FlowPolicyConfig
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policies.pi0.config import TINY, TINY_PI05, Pi0Config
from tmrl_policies.pi0.inputs.rigs import BRIDGE, CSPI0_BRIDGE_RELATIVE, DROID, Rig
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import make_statistics, write_checkpoint
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.testing import scrambled

GROUPS, EACH = 2, 3


def observation(rig: Rig) -> Observation:
    rng = np.random.default_rng(0)
    images = {n: rng.integers(0, 256, (60, 80, 3), dtype=np.uint8) for n in rig.camera_names}
    state = rng.normal(size=rig.state_dim).astype(np.float32)
    return Observation(state, np.zeros(0, np.float32), images, "press the red button")


@pytest.mark.parametrize(
    ("rig", "config"),
    [
        (DROID, TINY),
        (BRIDGE, TINY),
        (CSPI0_BRIDGE_RELATIVE, TINY),
        (DROID, TINY_PI05),
        (DROID, replace(TINY_PI05, context_smoothing=False, prefix_rms=False)),
    ],
    ids=["droid", "bridge", "relative", "pi05", "plain pi05"],
)
def test_of_a_pi0_with_a_context_noise_for_each_group(
    tmp_path: Path, rig: Rig, config: Pi0Config
) -> None:
    write_checkpoint(tmp_path, rig, config)
    policy = Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cpu"))
    generator = torch.Generator().manual_seed(0)
    seen, spec = policy.observe(observation(rig)), policy.spec
    sigma = torch.tensor([0.0, 0.6 * config.context_smoothing])
    epsilon = [policy.draw_epsilon(generator) for _ in range(GROUPS)]
    noise = torch.randn(GROUPS, EACH, spec.horizon, spec.z_dim, generator=generator)
    together = policy.fan_out(seen, sigma, epsilon, noise)
    assert together.shape == (GROUPS, EACH, spec.horizon, spec.action_dim)
    for group in range(GROUPS):
        for row in range(EACH):
            alone = policy.sample(
                [seen], sigma[group : group + 1], [epsilon[group]], noise[group, row][None]
            )
            torch.testing.assert_close(together[group, row], alone[0], rtol=1e-4, atol=1e-4)


def test_of_a_prefix_that_is_padded() -> None:
    torch.manual_seed(0)
    model = Pi0(replace(TINY_PI05, layers=2)).eval()
    width, horizon, columns = 64, model.config.horizon, model.config.action_dim
    assert model.config.prefix.width == width
    given = (
        torch.randn(1, 1, model.config.siglip.tokens, width),
        torch.ones(1, 1, dtype=torch.bool),
        torch.arange(1, 17)[None],
        (torch.arange(16) < 5)[None],
        torch.zeros(1, columns),
    )
    noise, sigma = torch.randn(1, EACH, horizon, columns), torch.tensor([0.4])
    epsilon = torch.randn(1, width)
    sampler = Pi0Sampler(model, prompt_step=8)
    together = sampler.sample(*given, noise, sigma, epsilon)
    for row in range(EACH):
        alone = sampler.sample(*given, noise[:, row], sigma, epsilon)
        torch.testing.assert_close(together[:, row], alone, rtol=1e-4, atol=1e-4)


def test_of_a_flow_policy() -> None:
    shape = FlowPolicyConfig(proprio_dim=2, context_dim=3, action_dim=4, horizon=4)
    policy = ServedFlowPolicy(scrambled(shape), "v", "xyz_gripper_to_bridge_delta_ee_7")
    seen = policy.observe(Observation(np.ones(2, np.float32), np.ones(3, np.float32)))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(GROUPS, EACH, 4, 4, generator=generator)
    sigma = torch.tensor([0.0, 0.6])
    epsilon = [policy.draw_epsilon(generator) for _ in range(GROUPS)]
    together = policy.fan_out(seen, sigma, epsilon, noise)
    assert together.shape == (GROUPS, EACH, 4, 7)
    alone = policy.sample([seen], sigma[1:], epsilon[1:], noise[1, 2][None])
    torch.testing.assert_close(together[1, 2], alone[0], rtol=1e-5, atol=1e-5)


def test_units_are_those_of_the_training_actions(tmp_path: Path) -> None:
    shape = FlowPolicyConfig(proprio_dim=2, context_dim=3, action_dim=4, horizon=4)
    flow = scrambled(shape)
    flow.action_normaliser.std.fill_(0.02)
    flow.action_normaliser.mean.fill_(0.5)
    units = ServedFlowPolicy(flow, "v", "xyz_gripper_to_bridge_delta_ee_7").units
    np.testing.assert_allclose(units.std, [0.02, 0.02, 0.02, 0.1, 0.1, 0.1, 0.02])
    np.testing.assert_allclose(units.mean, [0.5, 0.5, 0.5, 0, 0, 0, 0.5])
    write_checkpoint(tmp_path, CSPI0_BRIDGE_RELATIVE)
    pi0 = Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cpu")).units
    known = make_statistics(CSPI0_BRIDGE_RELATIVE)
    np.testing.assert_allclose(pi0.std, known.actions.std, rtol=1e-3)
    mean = known.actions.mean.copy()
    mean[:6] += known.state.mean[:6]
    np.testing.assert_allclose(pi0.mean, mean, rtol=1e-3, atol=1e-6)
