"""The actor-critic: exactness of the fast forms, targets, and that it learns."""

import copy
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_common.errors import ConfigError
from tmrl_learner.algorithms.dsrl.config import as_dsrl, as_fixed_sigma
from tmrl_learner.algorithms.tmrl import agent as agent_module
from tmrl_learner.algorithms.tmrl.agent import TmrlAgent
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.critic_gradient import CriticGradient, flatten
from tmrl_learner.algorithms.tmrl.mish import mish, mish_and_slope
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble, critic_inputs, embed_sigma
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.session import LearnerSession
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
    x.requires_grad_()
    (slope,) = torch.autograd.grad(functional.mish(x).sum(), x)
    torch.testing.assert_close(mish_and_slope(x.detach()), (mish(x).detach(), slope))


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


@pytest.mark.parametrize(("layers", "critics", "rows"), [(1, 1, 1), (2, 4, 7), (3, 5, 16)])
def test_the_gradient_by_hand_equals_that_of_autograd(layers: int, critics: int, rows: int) -> None:
    torch.manual_seed(0)
    critic = CriticEnsemble(3, 2, 4, hidden=16, layers=layers, critics=critics)
    for parameter in (*critic.gains, *critic.shifts):
        nn.init.normal_(parameter)
    by_autograd = copy.deepcopy(critic)
    vector = flatten(critic)
    targets = torch.randn(rows)
    names = ("features", "z", "sigma", "epsilon")
    batch = make_batch(TmrlConfig(epsilon_head=True), rows)
    inputs = critic_inputs(*(batch[name] for name in names))
    gradient = CriticGradient(critic)
    gradient(torch.randn_like(inputs), targets)  # what was there before must go
    loss = gradient(inputs, targets)
    expected = (by_autograd(*(batch[name] for name in names)) - targets).square().mean(dim=1)
    expected.sum().backward()
    torch.testing.assert_close(loss, expected.mean().detach())
    grads: list[Tensor] = []
    for (name, by_hand), other in zip(
        critic.named_parameters(), by_autograd.parameters(), strict=True
    ):
        assert by_hand.grad is not None and other.grad is not None
        torch.testing.assert_close(by_hand.grad, other.grad, rtol=1e-4, atol=1e-5, msg=name)
        grads.append(other.grad.flatten())
    torch.testing.assert_close(vector.grad, torch.cat(grads), rtol=1e-4, atol=1e-5)


def test_a_step_on_the_vector_moves_the_parameters() -> None:
    network = nn.Linear(3, 2)
    before = network.weight.detach().clone()
    vector = flatten(network)
    assert vector.shape == (8,)
    with torch.no_grad():
        vector.add_(1.0)
    torch.testing.assert_close(network.weight.detach(), before + 1.0)
    network.load_state_dict({"weight": torch.zeros(2, 3), "bias": torch.ones(2)})
    torch.testing.assert_close(vector.detach(), torch.tensor([0.0] * 6 + [1.0] * 2))


def test_a_round_updates_the_critics_as_autograd_and_plain_adam_would() -> None:
    config = replace(SMALL, epsilon_head=True, critic_layers=3)
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    plain = copy.deepcopy(agent.critic).requires_grad_()
    adam = torch.optim.Adam(plain.parameters(), lr=config.learning_rate, foreach=False, fused=False)
    batch = make_batch(config, 24)
    targets = TmrlAgent(config, SIZES, seed=0, device="cpu").td_targets(
        {name: column[:16] for name, column in batch.items()}
    )
    agent.update(batch)
    for rows in (slice(0, 8), slice(8, 16)):
        values = plain(*(batch[name][rows] for name in ("features", "z", "sigma", "epsilon")))
        adam.zero_grad()
        (values - targets[rows]).square().mean(dim=1).sum().backward()
        adam.step()
    for name, parameter in plain.state_dict().items():
        torch.testing.assert_close(agent.critic.state_dict()[name], parameter, msg=name)


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


LEVELLED = replace(SMALL, sigma_levels=3, sigma_max=0.8, sigma_entropy=0.1, epsilon_head=True)


def test_with_levels_of_sigma_targets_and_values_are_means_over_all_of_them() -> None:
    agent = TmrlAgent(LEVELLED, SIZES, seed=3, device="cpu")
    batch = make_batch(LEVELLED, 20)
    batch["terminated"].zero_()
    targets = agent.td_targets(batch)
    again = TmrlAgent(LEVELLED, SIZES, seed=3, device="cpu")
    sample = again.actor.sample(batch["next_features"], again.generator)
    expected = torch.zeros(20)
    for level, sigma in enumerate((0.0, 0.4, 0.8)):
        value = again.target_critic(
            batch["next_features"],
            sample.z * LEVELLED.z_bound,
            torch.full((20, 1), sigma),
            sample.epsilon * LEVELLED.epsilon_bound,
        ).amin(dim=0)
        expected += sample.level_log_prob[:, level].exp() * value
    torch.testing.assert_close(targets, (LEVELLED.gamma * expected - 1.0).detach())


def test_the_level_that_is_worth_more_becomes_the_likely_one() -> None:
    config = replace(LEVELLED, sigma_levels=2, learning_rate=1e-2)
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    for seed in range(60):
        batch = make_batch(config, (config.utd + 1) * config.batch_size, seed)
        batch["sigma"] = 0.8 * batch["sigma"].round()
        batch["reward"] = -batch["sigma"]
        batch["terminated"].fill_(1.0)
        metrics = agent.update(batch)
    assert metrics["sigma_mean"] < 0.1


@pytest.mark.parametrize("config", [SMALL, as_dsrl(SMALL), replace(SMALL, epsilon_head=True)])
def test_targets_of_a_round_do_not_depend_on_how_they_are_batched(
    config: TmrlConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(config, 20)
    at_once = TmrlAgent(config, SIZES, seed=3, device="cpu").td_targets(batch)
    monkeypatch.setattr(agent_module, "ROWS_AT_ONCE", 8)
    in_parts = TmrlAgent(config, SIZES, seed=3, device="cpu").td_targets(batch)
    torch.testing.assert_close(in_parts, at_once)
    agent = TmrlAgent(config, SIZES, seed=3, device="cpu")
    sample = agent.actor.sample(batch["next_features"], agent.generator)
    z, sigma, epsilon = scale_steering(sample.z, sample.tau, sample.epsilon, agent.bounds)
    values = agent.target_critic(batch["next_features"], z, sigma.unsqueeze(-1), epsilon)
    alive = 1.0 - batch["terminated"].squeeze(-1)
    expected = batch["reward"].squeeze(-1) + config.gamma * alive * values.amin(dim=0)
    torch.testing.assert_close(at_once, expected.detach())


def test_a_round_moves_the_target_by_the_share_of_all_its_critic_updates() -> None:
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    before = agent.target_critic.first_bias.clone()
    agent.update(make_batch(SMALL, 24))
    share = 1.0 - (1.0 - SMALL.polyak) ** 2
    expected = before + share * (agent.critic.first_bias - before)
    torch.testing.assert_close(agent.target_critic.first_bias, expected)


def test_every_head_has_a_target_entropy_and_a_temperature_of_its_own() -> None:
    config = replace(
        SMALL, epsilon_head=True, entropy_per_dim=-50.0, sigma_entropy=50.0, epsilon_entropy=-50.0
    )
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    agent.update(make_batch(config, 24))
    of_z, of_sigma, of_epsilon = agent.log_temperature.exp().tolist()
    assert of_z < 0.1 < of_sigma
    assert of_epsilon < 0.1
    other = replace(config, epsilon_entropy=50.0)
    agent = TmrlAgent(other, SIZES, seed=0, device="cpu")
    agent.update(make_batch(other, 24))
    assert agent.log_temperature[2].exp() > 0.1


def test_every_head_has_bounds_of_its_own() -> None:
    config = replace(SMALL, epsilon_head=True, z_bound=3.0, sigma_max=0.25, epsilon_bound=0.5)
    agent = TmrlAgent(config, SIZES, seed=0, device="cpu")
    largest = torch.ones(1, 2), torch.ones(1, 1), torch.ones(1, 4)
    z, sigma, epsilon = scale_steering(*largest, agent.bounds)
    assert (z.max(), sigma.max(), epsilon.max()) == (3.0, 0.25, 0.5)
    metrics = agent.update(make_batch(config, 24))
    assert {"alpha_z", "alpha_tau", "alpha_epsilon"} <= metrics.keys()
    assert 0.0 < metrics["sigma_mean"] < 0.25


def test_z_may_be_chosen_for_every_step_of_the_horizon() -> None:
    horizon, width = 8, 4
    sizes = replace(SIZES, z=horizon * width)
    agent = TmrlAgent(SMALL, sizes, seed=0, device="cpu")
    batch = make_batch(SMALL, 24) | {"z": torch.randn(24, sizes.z)}
    assert np.isfinite(list(agent.update(batch).values())).all()
    z = agent.actor.mode(batch["features"]).z.unflatten(-1, (horizon, width))
    assert (z.std(dim=1) > 0.0).all()


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
        share = torch.rand(rows, 1, generator=random) if config.sigma_head else torch.ones(rows, 1)
        sigma = config.sigma_max * share
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


@pytest.mark.parametrize(("sigma", "best"), [(0.8, True), (0.3, False)])
def test_z_alone_learns_as_much_as_its_fixed_sigma_allows(sigma: float, *, best: bool) -> None:
    config = replace(SMALL, hidden=32, batch_size=64, critics=2, learning_rate=3e-3)
    fixed = as_fixed_sigma(replace(config, sigma_max=sigma))
    assert (reward_after_training(fixed, rounds=300) > -0.5) is best


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


def test_a_state_of_another_device_goes_on_with_draws_of_its_own() -> None:
    """A generator on a GPU has a state of 16 bytes."""
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    saved = agent.state() | {"generator": torch.arange(16, dtype=torch.uint8)}
    resumed = [TmrlAgent(SMALL, SIZES, seed=seed, device="cpu") for seed in (1, 2)]
    for each in resumed:
        each.load_state(saved)
    batch = make_batch(SMALL, 24)
    assert resumed[0].update(batch) == resumed[1].update(batch) != agent.update(batch)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="set device=cpu"):
        LearnerSession(LearnerConfig(device="cuda"), SIZES, time.monotonic)


def test_loading_a_state_leaves_every_tensor_where_it_is() -> None:
    """A captured round holds addresses."""
    agent = TmrlAgent(SMALL, SIZES, seed=0, device="cpu")
    agent.update(make_batch(SMALL, 24))
    state = agent.state()

    def places() -> list[int]:
        moments = [m[name] for *_, m in agent._moments() for name in ("step", "exp_avg")]
        parameters = [*agent.actor.parameters(), *agent.critic.parameters(), agent.log_temperature]
        return [tensor.data_ptr() for tensor in (*moments, *parameters)]

    before = places()
    agent.update(make_batch(SMALL, 24, seed=1))
    agent.load_state(state)
    assert places() == before
    for name, tensor in agent.state().items():
        assert torch.equal(tensor, state[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_captured_round_equals_the_round_as_written() -> None:
    config = replace(SMALL, epsilon_head=True)
    captured, written = (TmrlAgent(config, SIZES, seed=0, device="cuda") for _ in range(2))
    written._run = written._round
    for seed in range(4):
        batch = make_batch(config, 24, seed)
        assert captured.update(batch) == pytest.approx(written.update(batch), rel=1e-4, abs=1e-5)
    assert captured._run.__class__.__name__ == "CudaRound"
    resumed = TmrlAgent(config, SIZES, seed=9, device="cuda")
    resumed.update(batch)
    resumed.load_state(captured.state())
    batch = make_batch(config, 24, seed=5)
    assert resumed.update(batch) == pytest.approx(captured.update(batch), rel=1e-4, abs=1e-5)
