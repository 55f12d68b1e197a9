"""From rows of a data set to the network's inputs, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_common.errors import ConfigError
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.noise import draw_noise
from tmrl_learner.pi0.preparation import Preparation
from tmrl_learner.pi0.samples import Sample
from tmrl_learner.pi0.testing import SMALL
from tmrl_policies.pi0.inputs.rigs import BRIDGE, CSPI0_BRIDGE_RELATIVE, Rig, Scale
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics
from tmrl_policies.pi0.inputs.testing import write_tokeniser
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser
from tmrl_policies.pi0.model import Pi0

PROMPT = "put the carrot in the pot"
STATISTICS = RobotStatistics(
    state=Statistics(mean=np.full(7, 1.0), std=np.full(7, 2.0)),
    actions=Statistics(mean=np.full(7, 0.5), std=np.full(7, 0.25)),
)


@pytest.fixture(scope="module")
def tokeniser(tmp_path_factory: pytest.TempPathFactory) -> PromptTokeniser:
    path: Path = tmp_path_factory.mktemp("tokeniser") / "tokeniser.model"
    write_tokeniser(path)
    return PromptTokeniser(path, SMALL.prompt_tokens, SMALL.vocabulary)


def preparation(rig: Rig, tokeniser: PromptTokeniser, scale: Scale = Scale.MEAN_STD) -> Preparation:
    return Preparation(rig, STATISTICS, scale, tokeniser, SMALL)


def sample(prompt: str = PROMPT, side_px: int = 64) -> Sample:
    return Sample(
        images={"overview": np.full((side_px, 2 * side_px, 3), 255, np.uint8)},
        state=np.full(7, 5.0, np.float32),
        actions=np.full((4, 7), 1.0, np.float32),
        inside=np.array([True, True, True, False]),
        prompt=prompt,
    )


def test_state_and_actions_are_scaled_and_padded_with_zeros(tokeniser: PromptTokeniser) -> None:
    prepared = preparation(BRIDGE, tokeniser)([sample()])
    # (5 - 1) / 2 and (1 - 0.5) / 0.25; the eighth column is none of the rig's.
    np.testing.assert_allclose(prepared.state, [[2.0] * 7 + [0.0]], rtol=1e-5)
    np.testing.assert_allclose(prepared.actions, [[[2.0] * 7 + [0.0]] * 4], rtol=1e-5)


def test_relative_actions_lose_the_state_but_for_the_gripper(tokeniser: PromptTokeniser) -> None:
    prepared = preparation(CSPI0_BRIDGE_RELATIVE, tokeniser)([sample()])
    # (1 - 5 - 0.5) / 0.25; the gripper is absolute.
    expected = [-18.0] * 6 + [2.0, 0.0]
    np.testing.assert_allclose(prepared.actions[0], [expected] * 4, rtol=1e-4)


def test_images_are_padded_to_a_square_in_minus_one_to_one(tokeniser: PromptTokeniser) -> None:
    seen = preparation(BRIDGE, tokeniser)([sample()]).observations()
    assert seen.images.shape == (1, 1, 3, 224, 224)
    assert seen.images[0, 0, :, 112].min() == 1.0
    assert seen.images[0, 0, :, :50].max() == -1.0
    assert seen.images[0, 0, :, -50:].max() == -1.0


def test_a_rig_that_looks_at_black_images_gets_them(tokeniser: PromptTokeniser) -> None:
    seen = preparation(CSPI0_BRIDGE_RELATIVE, tokeniser)([sample()]).observations()
    assert seen.images.shape[1] == 3
    assert seen.image_mask.all()
    assert seen.images[0, 1:].max() == -1.0


def test_leaving_out_what_is_masked_changes_no_loss(tokeniser: PromptTokeniser) -> None:
    torch.manual_seed(0)
    network, noise = Pi0(SMALL), draw_noise(SMALL, 2, 0, 0)
    prepared = preparation(BRIDGE, tokeniser)([sample(), sample("press")])
    short = prepared.observations()
    missing = SMALL.prompt_tokens - short.tokens.shape[1]
    padded = short._replace(
        images=torch.cat((short.images, torch.rand(2, 2, 3, 224, 224)), dim=1),
        image_mask=torch.tensor([[True, False, False]] * 2),
        tokens=torch.nn.functional.pad(short.tokens, (0, missing), value=7),
        token_mask=torch.nn.functional.pad(short.token_mask, (0, missing)),
    )
    assert missing > 0
    epsilon = torch.randn(2, SMALL.context_dim)
    asked = (prepared.actions, noise.flow, noise.flow_time, noise.sigma, epsilon)
    with torch.no_grad():
        losses = [network.flow_loss(seen, *asked) for seen in (short, padded)]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_used_is_refused(tokeniser: PromptTokeniser) -> None:
    with pytest.raises(DatasetError, match="sides of 32 to 4096 pixels"):
        preparation(BRIDGE, tokeniser)([sample(side_px=8)])
    with pytest.raises(ConfigError, match="no q01 and q99"):
        preparation(BRIDGE, tokeniser, Scale.QUANTILE)
