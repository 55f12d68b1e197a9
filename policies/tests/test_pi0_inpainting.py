"""pi0 with the first rows of its chunk given: the arm executes them while it thinks."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from tmrl_policies.inpainting import Committed
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import KINDS, TINY, Pi0Config
from tmrl_policies.pi0.inputs.rigs import BRIDGE, CSPI0_BRIDGE_RELATIVE, Rig
from tmrl_policies.pi0.inputs.settings import NO_DINO, Pi0Settings
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policies.pi0.sampler import Pi0Sampler

SMALL = dataclasses.replace(TINY, layers=2, horizon=4, flow_steps=3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def network(config: Pi0Config) -> Pi0:
    torch.manual_seed(0)
    return Pi0(config).eval()


def observations() -> Pi0Batch:
    generator = torch.Generator().manual_seed(0)
    return Pi0Batch(
        images=torch.rand((2, 3, 3, 224, 224), generator=generator) * 2 - 1,
        image_mask=torch.tensor([[True, False, False], [True, True, False]]),
        tokens=torch.randint(0, 512, (2, 16), generator=generator),
        token_mask=torch.tensor([[place < count for place in range(16)] for count in (5, 9)]),
        state=torch.randn((2, 32), generator=generator),
    )


def by_hand(model: Pi0, batch: Pi0Batch, steering: tuple[Tensor, ...], rows: Tensor) -> Tensor:
    """The plain network, whose first chunk is put on the path of the known rows at each step."""
    noise, sigma, epsilon = steering
    steps, actions = model.config.flow_steps, noise
    wanted = torch.nn.functional.pad(rows, (0, 32 - rows.shape[-1]))
    prefix, there = model.embed_prefix(batch)
    prefix = model.corrupt(prefix, sigma, epsilon)
    for step in range(steps):
        time = torch.full_like(sigma, 1.0 - step / steps)
        tokens = model.embed_actions(actions, time, sigma)
        condition = model.time_condition(time, sigma)
        actions = actions - model.velocity(prefix, there, batch.state, tokens, condition) / steps
        left = 1.0 - (step + 1) / steps
        actions[0, : len(rows)] = (1.0 - left) * wanted + left * noise[0, : len(rows)]
    return actions


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_known_rows_are_kept_and_the_rest_of_the_chunk_goes_with_them(kind):
    config, batch = dataclasses.replace(SMALL, **KINDS[kind]), observations()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn((2, config.horizon, config.action_dim), generator=generator)
    epsilon = torch.randn((2, config.context_dim), generator=generator)
    steering = noise, torch.tensor([0.0, 0.4]), epsilon
    rows = torch.randn(2, 2, 7, generator=generator)
    sampler = Pi0Sampler(network(config))
    image_tokens = sampler.encode_images(batch.images.flatten(0, 1)).unflatten(0, (-1, 3))

    def sample(known: Committed | None) -> Tensor:
        return sampler.sample(image_tokens, *batch[1:], *steering, known)

    made = sample(Committed(rows, torch.tensor([True, False])))
    wanted = by_hand(network(config), batch, steering, rows[0])
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)
    assert torch.equal(made[0, :2, :7], rows[0])
    assert torch.equal(sample(None), sample(Committed(rows, torch.tensor([False, False]))))


@pytest.mark.parametrize("rig", [BRIDGE, CSPI0_BRIDGE_RELATIVE], ids=lambda rig: rig.name)
def test_actions_of_the_rig_become_rows_of_the_network_and_come_back(tmp_path, rig: Rig):
    """Also where the network's actions are relative to the observed state."""
    write_checkpoint(tmp_path, rig, dataclasses.replace(SMALL, horizon=6))
    settings = Pi0Settings(rig=rig.name, dino=NO_DINO, device="cpu", dtype="float32")
    policy = Pi0Policy.load(tmp_path, settings)
    observation = dataclasses.replace(
        policy.example(), proprio=np.linspace(-0.2, 0.4, rig.state_dim, dtype=np.float32)
    )
    seen = policy.observe(observation)
    noise = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(2))
    steering = torch.zeros(1), [policy.draw_epsilon(torch.Generator())], noise
    committed = policy.sample([seen], *steering)[0, 3:5] + 0.01
    known = policy.as_network(seen, committed.numpy())
    assert known.shape == (2, rig.action_dim)
    one = torch.ones(1, dtype=torch.bool)
    made = policy.sample([seen], *steering, Committed(known[None], one))[0]
    torch.testing.assert_close(made[:2], committed, rtol=1e-4, atol=1e-5)
