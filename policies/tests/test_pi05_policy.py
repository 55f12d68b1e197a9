"""A served pi0.5: the robot state reaches the network in the prompt, scaled by quantiles."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_common.errors import RequestError
from tmrl_common.types import Observation
from tmrl_policies.pi0.config import TINY_PI05, Pi0Config
from tmrl_policies.pi0.inputs.rigs import DROID, LIBERO, Rig
from tmrl_policies.pi0.inputs.settings import TOKENISER_FILE, Pi0Settings
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics, write_statistics
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser
from tmrl_policies.pi0.policy import Pi0Policy

SMOOTHED = replace(TINY_PI05, layers=1, flow_steps=3)
PLAIN = replace(SMOOTHED, context_smoothing=False, prefix_rms=False)


def policy_of(folder: Path, rig: Rig, config: Pi0Config, *, compiled: bool = False) -> Pi0Policy:
    """One whose state lies between -1 and 3, and its actions between -4 and 4.

    The means, which are not used, are far away.
    """
    write_checkpoint(folder, rig, config)
    groups = [
        Statistics(*(np.full(dim, value) for value in (1e6, 1.0, low, high)))
        for dim, low, high in ((rig.state_dim, -1.0, 3.0), (rig.action_dim, -4.0, 4.0))
    ]
    write_statistics(folder, rig.name, RobotStatistics(*groups))
    return Pi0Policy.load(folder, Pi0Settings(dino="none", device="cpu", compiled=compiled))


def observation(rig: Rig, state: float, prompt: str = "put the pot") -> Observation:
    images = dict.fromkeys(rig.camera_names, np.zeros((224, 224, 3), dtype=np.uint8))
    values = np.full(rig.state_dim, state, dtype=np.float32)
    return Observation(values, np.zeros(0, dtype=np.float32), images, prompt)


@pytest.mark.parametrize("config", [SMOOTHED, PLAIN], ids=lambda config: config.kind)
@pytest.mark.parametrize("rig", [DROID, LIBERO], ids=lambda rig: rig.name)
def test_the_state_is_in_the_prompt_but_for_liberos(tmp_path, rig, config):
    policy = policy_of(tmp_path, rig, config)
    seen, moved = (policy.observe(observation(rig, state)) for state in (0.501, 0.801))
    # (0.501 + 1) / 4 * 2 - 1
    expected = np.full(8, -0.2495)
    np.testing.assert_allclose(policy.features(seen), expected, atol=1e-6)
    tokeniser = PromptTokeniser(tmp_path / TOKENISER_FILE, config.prompt_tokens, 512)
    written = expected if rig is DROID else None
    assert np.array_equal(seen.tokens, tokeniser.encode("put the pot", written).tokens)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, config.horizon, config.action_dim, generator=generator).expand(2, -1, -1)
    chunks = policy.sample([seen, moved], torch.zeros(2), torch.zeros(2, 64), noise)
    assert chunks.shape == (2, config.horizon, rig.action_dim)
    assert chunks.abs().max() < 100.0, "in the rig's units"
    same = float((chunks[0] - chunks[1]).abs().max()) < 1e-6
    assert same == (rig is LIBERO)


def test_a_prompt_without_room_for_the_state_is_refused_and_the_next_one_served(tmp_path):
    policy = policy_of(tmp_path, DROID, SMOOTHED)
    with pytest.raises(RequestError, match=r"the network reads 128 .*Shorten the instruction"):
        policy.observe(observation(DROID, 0.0, "press " * 60))
    assert policy.observe(observation(DROID, 0.0)).token_mask.any()


def test_the_example_fits(tmp_path):
    policy = policy_of(tmp_path, DROID, SMOOTHED)
    assert policy.observe(policy.example()).token_mask.any()


def test_a_compiled_policy_pads_its_prompts_and_makes_the_same_chunks(tmp_path, monkeypatch):
    # Everything of torch.compile but the code generator, which would take minutes; in one piece,
    # as a CUDA graph needs it.
    compile_eagerly = functools.partial(torch.compile, backend="aot_eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    small = replace(SMOOTHED, flow_steps=1, siglip=replace(SMOOTHED.siglip, layers=1))
    plain, compiled = (policy_of(tmp_path, DROID, small, compiled=each) for each in (False, True))
    noise = torch.randn(1, small.horizon, small.action_dim)
    steered = (torch.full((1,), 0.5), [plain.draw_epsilon(torch.Generator())], noise)
    seen = observation(DROID, 0.5)
    chunks = [policy.sample([policy.observe(seen)], *steered) for policy in (plain, compiled)]
    torch.testing.assert_close(chunks[1], chunks[0], rtol=1e-4, atol=1e-4)
