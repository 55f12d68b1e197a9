"""What is left of a prefix behind its noise: nothing at sigma = 1, if each token has its own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tmrl_policies.pi0.config import TINY
from tmrl_policies.pi0.inputs.rigs import BRIDGE, CSPI0_BRIDGE, DROID, Rig
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.policy import Pi0Policy

WORDS = 8
"""How many different tokens may stand at the place that is guessed."""
PLACE = 3
LENGTH = 6
CHANCE = 1 / WORDS
SMALL = replace(
    TINY,
    layers=1,
    siglip=replace(TINY.siglip, layers=1, patch_px=112),
    flow_steps=2,
    prefix_rms=True,
)
"""Four tokens to an image."""


@pytest.fixture(scope="module")
def network() -> Pi0:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Pi0(SMALL).eval()


def prompts(count: int, generator: torch.Generator) -> Tensor:
    """Prompts of random words behind a start token that is always the same one."""
    words = torch.randint(WORDS, (count, LENGTH), generator=generator)
    words[:, 0] = WORDS
    return words


@torch.no_grad()
def recovered(network: Pi0, sigma: float, *, per_token: bool) -> float:
    """Share of words that the best linear map of a whole corrupted prompt guesses right."""
    generator = torch.Generator().manual_seed(0)
    words = prompts(3000, generator)
    prefix = network.embed_prompt(words)
    shape = prefix.shape if per_token else (len(prefix), prefix.shape[-1])
    epsilon = torch.randn(shape, generator=generator)
    seen = network.corrupt(prefix, torch.full((len(prefix),), sigma), epsilon)
    # In float64, whose digits are enough for what sigma = 1 leaves: 0.6 % of the prefix.
    features = seen.double().flatten(1)
    features = torch.cat((features, torch.ones(len(features), 1, dtype=torch.float64)), dim=1)
    wanted = torch.nn.functional.one_hot(words[:, PLACE], WORDS).double()
    learn, judge = slice(0, 2000), slice(2000, None)
    linear = torch.linalg.lstsq(features[learn], wanted[learn], driver="gelsd").solution
    guessed = (features[judge] @ linear).argmax(dim=1)
    return float((guessed == words[judge, PLACE]).float().mean())


@pytest.mark.parametrize("per_token", [False, True], ids=["repeated", "per token"])
def test_an_exact_context_shows_every_word(network, per_token):
    assert recovered(network, 0.0, per_token=per_token) > 0.95


def test_with_a_noise_for_each_token_nothing_is_left_at_sigma_one(network):
    # Four standard deviations of guesses among eight, over a thousand words.
    assert recovered(network, 1.0, per_token=True) < CHANCE + 0.042


def test_one_noise_for_all_tokens_hides_nothing_from_who_subtracts_them(network):
    """Why it is drawn per token in training, and where no actor steers it."""
    assert recovered(network, 1.0, per_token=False) > 0.95


def served(folder: Path, rig: Rig) -> Pi0Policy:
    write_checkpoint(folder, rig, SMALL)
    return Pi0Policy.load(folder, Pi0Settings(dino="none", device="cpu"))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("rig", "images"),
    [(BRIDGE, 1), (DROID, 2), (CSPI0_BRIDGE, 3)],
    ids=["bridge", "droid", "cspi0_bridge"],
)
def test_a_served_policy_draws_a_noise_for_each_token_that_it_may_look_at(tmp_path, rig, images):
    policy = served(tmp_path, rig)
    drawn = policy.draw_epsilon(seeded(0))
    assert drawn.shape == (images * 4 + SMALL.prompt_tokens, SMALL.context_dim)
    correlation = torch.corrcoef(drawn) - torch.eye(len(drawn))
    assert correlation.abs().max() < 0.7, "64 numbers each, and nothing in common"
    assert torch.equal(drawn, policy.draw_epsilon(seeded(0)))
    assert not torch.equal(drawn, policy.draw_epsilon(seeded(1)))


def test_a_batch_may_mix_a_steered_vector_with_drawn_noises(tmp_path):
    policy = served(tmp_path, BRIDGE)
    seen = [policy.observe(policy.example()) for _ in range(2)]
    vector, drawn = torch.ones(SMALL.context_dim), policy.draw_epsilon(seeded(0))
    sigma, noise = torch.full((2,), 0.5), torch.randn(2, SMALL.horizon, SMALL.action_dim)
    mixed = policy.sample(seen, sigma, [vector, drawn], noise)
    repeated = policy.sample(seen, sigma, [vector.expand_as(drawn), drawn], noise)
    torch.testing.assert_close(mixed, repeated)
    assert not torch.allclose(policy.sample(seen, sigma, [vector, vector], noise)[1], mixed[1])
