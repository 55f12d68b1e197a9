"""The actor-critic: exactness of the fast forms, targets, and that it learns."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_learner.algorithms.dsrl.config import as_dsrl
from tmrl_learner.algorithms.tmrl.agent import TmrlAgent
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.mish import mish
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble, embed_sigma
from tmrl_learner.config import Sizes
from tmrl_policies.steering import scale_steering

SIZES = Sizes(features=3, z=2, epsilon=4)
SMALL = TmrlConfig(hidden=16, critics=3, batch_size=8, utd=2)


def make_batch(config: TmrlConfig, rows: int, seed: int = 0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    epsilon_dim = SIZES.epsilon if config.epsilon_head else 0
    return {
        "features": torch.randn(rows, SIZES.features, generator=random),
        "z": torch.randn(rows, SIZES.z, generator=random),
        "sigma": torch.rand(rows, 1, generator=random),
        "epsilon": torch.randn(rows, epsilon_dim, generator=random),
        "reward": -torch.ones(rows, 1),
        "next_features": torch.randn(rows, SIZES.features, generator=random),
        "terminated": (torch.rand(rows, 1, generator=random) > 0.7).float(),
    }


def test_mish_equals_the_reference_and_so_does_its_slope() -> None:
    x = torch.linspace(-200.0, 200.0, 4001)
    torch.testing.assert_close(mish(x), functional.mish(x))
    points = torch.linspace(-30.0, 30.0, 61, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(mish, (points,))


def member(critic: CriticEnsemble, i: int) -> nn.Sequential:
    """Member `i` of the ensemble as a plain network."""
    hidden = critic.gains[0].shape[-1]
    columns = slice(i * hidden, (i + 1) * hidden)
    weights = [critic.first_weight[:, columns], *(w[i] for w in critic.weights)]
    biases = [critic.first_bias[columns], *(b[i, 0] for b in critic.biases)]
    layers: list[nn.Module] = []
    for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        linear = nn.Linear(*weight.shape)
        linear.load_state_dict({"weight": weight.T, "bias": bias})
        layers.append(linear)
        if depth < len(critic.gains):
            norm = nn.LayerNorm(hidden)
            norm.load_state_dict(
                {"weight": critic.gains[depth][i, 0], "bias": critic.shifts[depth][i, 0]}
            )
            layers += [norm, nn.Mish()]
    return nn.Sequential(*layers)


def test_stacked_critics_equal_a_loop_over_separate_ones() -> None:
    torch.manual_seed(0)
    critic = CriticEnsemble(3, 2, 4, hidden=16, layers=2, critics=5)
    for parameter in (*critic.gains, *critic.shifts):
        nn.init.normal_(parameter)
    batch = make_batch(TmrlConfig(epsilon_head=True), 32)
    features, z, sigma, epsilon = (batch[n] for n in ("features", "z", "sigma", "epsilon"))
    values = critic(features, z, sigma, epsilon)
    values.square().sum().backward()
    inputs = torch.cat([features, z, embed_sigma(sigma), epsilon], dim=-1)
    first_grad = critic.first_weight.grad
    assert first_grad is not None
    for i in range(5):
        network = member(critic, i)
        expected = network(inputs).squeeze(-1)
        torch.testing.assert_close(values[i], expected)
        expected.square().sum().backward()
        torch.testing.assert_close(first_grad[:, i * 16 : (i + 1) * 16].T, network[0].weight.grad)


def test_members_start_different() -> None:
    critic = CriticEnsemble(3, 2, 0, hidden=16, layers=2, critics=4)
    batch = make_batch(SMALL, 8)
    values = critic(batch["features"], batch["z"], batch["sigma"], batch["epsilon"])
    assert (values.std(dim=0) > 1e-3).all()


def test_only_terminated_rows_do_not_bootstrap() -> None:
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    with torch.no_grad():
        for bias in agent.target_critic.biases[-1:]:
            bias.add_(-50.0)
    batch = make_batch(SMALL, 6)
    batch["terminated"] = torch.tensor([[1.0], [0.0], [1.0], [0.0], [0.0], [1.0]])
    targets = agent.td_targets(batch)
    torch.testing.assert_close(targets[[0, 2, 5]], torch.full((3,), -1.0))
    assert (targets[[1, 3, 4]] < -1.0 - 0.9 * 45.0).all()


def test_the_target_has_no_entropy_term_and_uses_the_smallest_member() -> None:
    config = replace(SMALL, initial_temperature=1e3)
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    batch = make_batch(config, 64)
    batch["terminated"].zero_()
    assert (agent.td_targets(batch).abs() < 5.0).all()
    with torch.no_grad():
        agent.target_critic.biases[-1][1].add_(-100.0)
    assert (agent.td_targets(batch) < -90.0).all()


@pytest.mark.parametrize("config", [SMALL, as_dsrl(SMALL), replace(SMALL, epsilon_head=True)])
def test_targets_of_a_round_do_not_depend_on_how_they_are_batched(config: TmrlConfig) -> None:
    batch = make_batch(config, 16)
    at_once = TmrlAgent(config, SIZES, seed=3, device="cpu").td_targets(batch)
    agent = TmrlAgent(config, SIZES, seed=3, device="cpu")
    # The generator fills rows in order, so the halves draw what the whole drew only where one
    # draw per row is made; the deterministic part is compared with the samples fixed.
    sample = agent.actor.sample(batch["next_features"], agent.generator)
    halves: list[Tensor] = []
    for rows in (slice(0, 8), slice(8, 16)):
        part = type(sample)(*(field[rows] for field in sample))
        halves.append(agent._value(agent.target_critic, batch["next_features"][rows], part))
    alive = 1.0 - batch["terminated"].squeeze(-1)
    expected = batch["reward"].squeeze(-1) + config.gamma * alive * torch.cat(halves)
    torch.testing.assert_close(at_once, expected)


def test_a_round_moves_the_target_by_the_share_of_all_its_critic_updates() -> None:
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    before = agent.target_critic.first_bias.clone()
    agent.update(make_batch(SMALL, 24))
    share = 1.0 - (1.0 - SMALL.polyak) ** 2
    expected = before + share * (agent.critic.first_bias - before)
    torch.testing.assert_close(agent.target_critic.first_bias, expected)


def test_the_sigma_head_has_a_target_entropy_of_its_own() -> None:
    config = replace(SMALL, entropy_per_dim=-50.0, sigma_entropy=50.0)
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    agent.update(make_batch(config, 24))
    of_z, of_sigma, of_epsilon = agent.log_temperature.exp().tolist()
    assert of_z < 0.1 < of_sigma
    assert of_epsilon == pytest.approx(0.1)


def test_heads_that_are_off_have_no_temperature_and_dsrl_never_leaves_sigma_zero() -> None:
    agent = TmrlAgent(as_dsrl(SMALL), SIZES, seed=0, device="cpu")
    metrics = agent.update(make_batch(as_dsrl(SMALL), 24))
    assert metrics["sigma_mean"] == 0.0
    assert "alpha_z" in metrics
    assert "alpha_tau" not in metrics
    assert agent.log_temperature[0] != agent.log_temperature[1]
    torch.testing.assert_close(agent.log_temperature[1:].exp(), torch.full((2,), 0.1))


def bandit(z: Tensor, sigma: Tensor) -> Tensor:
    """Reward in [-1, 0]: best at sigma 0.8, and only there does z matter (best at 1, -1)."""
    place = torch.exp(-(z - torch.tensor([1.0, -1.0])).square().sum(dim=-1, keepdim=True))
    return place * torch.exp(-((sigma - 0.8) / 0.15).square()) - 1.0


def reward_after_training(config: TmrlConfig, rounds: int, seed: int = 0) -> float:
    agent = TmrlAgent(config, SIZES, seed, device="cpu")
    random = torch.Generator().manual_seed(1)
    rows = (config.utd + 1) * config.batch_size
    for _ in range(rounds):
        sigma = torch.rand(rows, 1, generator=random) * float(config.sigma_head)
        z = 4.0 * torch.rand(rows, SIZES.z, generator=random) - 2.0
        features = torch.zeros(rows, SIZES.features)
        batch: Mapping[str, Tensor] = {
            "features": features,
            "z": z,
            "sigma": sigma,
            "epsilon": torch.zeros(rows, 0),
            "reward": bandit(z, sigma),
            "next_features": features,
            "terminated": torch.ones(rows, 1),
        }
        agent.update(batch)
    with torch.no_grad():
        mode = agent.actor.mode(torch.zeros(1, SIZES.features))
        z, sigma, _ = scale_steering(*mode, agent.bounds)
        return float(bandit(z, sigma.unsqueeze(-1)))


def test_tmrl_finds_the_sigma_that_dsrl_cannot_reach() -> None:
    config = replace(SMALL, hidden=32, batch_size=64, critics=2, learning_rate=3e-3)
    assert reward_after_training(config, rounds=300) > -0.5
    assert reward_after_training(as_dsrl(config), rounds=50) < -0.9


def test_resumed_agent_goes_on_bit_equal() -> None:
    batches = [make_batch(SMALL, 24, seed) for seed in range(6)]
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    for batch in batches[:3]:
        agent.update(batch)
    resumed = TmrlAgent(SMALL, SIZES, seed=99, device="cpu")
    resumed.load_state(agent.state())
    for batch in batches[3:]:
        assert agent.update(batch) == resumed.update(batch)
    for name, tensor in agent.state().items():
        np.testing.assert_array_equal(tensor.numpy(), resumed.state()[name].numpy(), err_msg=name)
