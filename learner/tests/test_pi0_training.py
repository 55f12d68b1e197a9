"""Gradient steps on pi0: what is drawn, what is trained, and that ways of computing agree."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tmrl_learner.pi0.batches import BatchOrder, PartSampler
from tmrl_learner.pi0.config import FinetuneConfig, LoraConfig, OptimiserConfig
from tmrl_learner.pi0.export import served_state
from tmrl_learner.pi0.lora import LoraLinear, add_lora
from tmrl_learner.pi0.network import build_network, trained_parameters
from tmrl_learner.pi0.noise import ContextShape, draw_context_noise, draw_noise
from tmrl_learner.pi0.optimiser import WeightAverage, learning_rate
from tmrl_learner.pi0.preparation import TrainingBatch
from tmrl_learner.pi0.processes import Processes
from tmrl_learner.pi0.testing import SMALL, SMALL_PI05
from tmrl_learner.pi0.trainer import DivergedError, Pi0Trainer
from tmrl_policies.pi0.config import Pi0Config
from tmrl_policies.pi0.model import Pi0, divide_by_rms

ALONE = Processes(0, 1, torch.device("cpu"))
FAST = OptimiserConfig(learning_rate=1e-2, final_learning_rate=1e-3, warmup_steps=0)


def config(**changes: Any) -> FinetuneConfig:
    plain = FinetuneConfig("bridge", model=SMALL, batch_size=4, precision="float32", optimiser=FAST)
    return replace(plain, **changes)


def make_trainer(settings: FinetuneConfig) -> Pi0Trainer:
    return Pi0Trainer(settings, build_network(settings, None, ALONE)[0], ALONE)


def batch(size: int = 4, seed: int = 0) -> TrainingBatch:
    generator = torch.Generator().manual_seed(seed)
    inside = torch.ones(size, SMALL.horizon, dtype=torch.bool)
    inside[0, 2:] = False
    return TrainingBatch(
        images=torch.randint(256, (size, 1, 224, 224, 3), generator=generator, dtype=torch.uint8),
        tokens=torch.randint(SMALL.vocabulary, (size, SMALL.prompt_tokens), generator=generator),
        token_mask=torch.ones(size, SMALL.prompt_tokens, dtype=torch.bool),
        state=torch.randn(size, SMALL.action_dim, generator=generator),
        actions=torch.randn(size, SMALL.horizon, SMALL.action_dim, generator=generator),
        inside=inside,
    )


def part(whole: TrainingBatch, rows: slice) -> TrainingBatch:
    return TrainingBatch(*(tensor[rows] for tensor in whole))


def weights(trainer: Pi0Trainer) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in trainer.parameters.items()}


def test_flow_time_is_mostly_noise_and_independent_of_the_context_time() -> None:
    noise = draw_noise(SMALL, 20_000, seed=0, step=0)
    # Beta(1.5, 1): mean 0.6, and P(x < 0.5) = 0.5^1.5.
    assert float(noise.flow_time.mean()) == pytest.approx(0.6 * 0.999 + 0.001, abs=0.01)
    assert float((noise.flow_time < 0.5005).float().mean()) == pytest.approx(0.5**1.5, abs=0.015)
    assert float(noise.flow_time.min()) >= 0.001
    assert float(noise.flow_time.max()) <= 1.0
    assert float(noise.sigma.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noise.sigma.var()) == pytest.approx(1 / 12, abs=0.005)
    together = torch.corrcoef(torch.stack((noise.flow_time, noise.sigma)))
    assert abs(float(together[0, 1])) < 0.03


def test_every_step_draws_other_noise_and_the_same_step_the_same() -> None:
    first, again = draw_noise(SMALL, 2, seed=0, step=5), draw_noise(SMALL, 2, seed=0, step=5)
    assert torch.equal(first.flow, again.flow)
    others = [draw_noise(SMALL, 2, seed, step) for seed, step in ((0, 6), (1, 5), (5, 0))]
    assert all(not torch.equal(first.flow, other.flow) for other in others)


def context_noise(places: range, seed: int = 0, step: int = 0, words: int = 5) -> Tensor:
    return draw_context_noise(
        SMALL, places, seed, step, ContextShape(4, words, torch.device("cpu"))
    )


def test_every_token_of_a_context_has_noise_of_its_own() -> None:
    noise = context_noise(range(50))
    assert noise.shape == (50, 4 + 5, SMALL.context_dim)
    # Each of 9 tokens and 50 chunks against each other, over 64 numbers.
    together = torch.corrcoef(noise.flatten(0, 1))
    together.fill_diagonal_(0.0)
    assert float(together.abs().max()) < 0.8
    assert float(together.square().mean()) == pytest.approx(1 / 63, rel=0.1)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)


def test_context_noise_follows_from_the_place_in_the_batch_whoever_computes_it() -> None:
    whole = context_noise(range(4))
    assert torch.equal(whole[2:], context_noise(range(2, 4)))
    # Whatever the longest prompt of the part.
    assert torch.equal(whole[:, :6], context_noise(range(4), words=2))
    others = [context_noise(range(4), seed=1), context_noise(range(4), step=1)]
    assert all(not torch.equal(whole, other) for other in others)


def linearly_recovered(seen: Tensor, content: Tensor) -> float:
    """Share of the variance of a token's content that a linear map finds, on rows held back."""
    half = len(seen) // 2
    found = torch.linalg.lstsq(seen[:half], content[:half]).solution
    errors = content[half:] - seen[half:] @ found
    return 1.0 - float(errors.var() / content[half:].var())


@pytest.mark.parametrize("kind", [SMALL, SMALL_PI05], ids=["cspi0", "cspi05"])
def test_at_sigma_one_no_linear_map_recovers_what_a_token_says(kind: Pi0Config) -> None:
    """With one vector for all tokens, their differences would show it at every sigma."""
    torch.manual_seed(0)
    network = Pi0(kind)
    rows, tokens = 1_000, kind.siglip.tokens
    images = torch.randint(256, (rows, 1, 3, 2, 2), generator=torch.Generator().manual_seed(0))
    coarse = images[:, 0].float().repeat_interleave(112, 2).repeat_interleave(112, 3)
    with torch.no_grad():
        prefix = network.embed_images(coarse / 127.5 - 1.0)
        shape = ContextShape(tokens, 0, torch.device("cpu"))
        epsilon = draw_context_noise(kind, range(rows), 0, 0, shape)
        content, recovered = differences(divide_by_rms(prefix)), {}
        for sigma in (0.0, 1.0):
            seen = network.corrupt(prefix, torch.full((rows,), sigma), epsilon)
            recovered[sigma] = linearly_recovered(differences(seen), content)
    assert recovered[0.0] > 0.99
    assert recovered[1.0] < 0.1


def differences(tokens: Tensor) -> Tensor:
    """Of the first two tokens, shape (B, width)."""
    return tokens[:, 0] - tokens[:, 1]


def test_every_pass_shows_every_row_once_in_an_order_of_its_own() -> None:
    order = BatchOrder(rows=10, batch_size=4, seed=0)
    shown = [row for step in range(5) for row in order.batch(step)]
    assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
    assert shown[:10] != shown[10:]
    assert BatchOrder(10, 4, 0).batch(3) == order.batch(3)


def test_the_parts_of_all_processes_are_the_batch() -> None:
    order = BatchOrder(rows=100, batch_size=8, seed=0)
    parts = [list(PartSampler(order, 2, 4, 4, range(rank, 4, 2))) for rank in (0, 1)]
    for step in (2, 3):
        rows = [row for mine in parts for piece in mine[2 * (step - 2) :][:2] for row in piece]
        assert Counter(rows) == Counter(order.batch(step))


def test_the_learning_rate_warms_up_falls_as_a_cosine_and_stays() -> None:
    rate = OptimiserConfig(
        learning_rate=1e-2, final_learning_rate=1e-3, warmup_steps=4, decay_steps=14
    )
    # Warm-up from a fifth; half-way through the cosine, the middle of the two.
    expected = {0: 0.002, 2: 0.006, 4: 0.01, 9: 0.0055, 14: 0.001, 1000: 0.001}
    for step, value in expected.items():
        assert learning_rate(rate, step) == pytest.approx(value)


def test_the_average_forgets_by_its_decay() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = WeightAverage({"weight": weight}, decay=0.9)
    with torch.no_grad():
        weight.fill_(1.0)
    average.update()
    average.update()
    torch.testing.assert_close(average.values["weight"], torch.full((2,), 1.0 - 0.9**2))


@pytest.mark.parametrize("model", [SMALL, SMALL_PI05], ids=["cspi0", "cspi05"])
@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"trained": "expert"}, {"expert", "projections"}),
        ({"trained": "lora"}, {"prefix", "expert", "projections"}),
        ({"trained": "lora", "lora": LoraConfig(expert=True)}, {"prefix", "expert", "projections"}),
        ({"trained": "full"}, {"siglip", "prefix", "expert", "projections"}),
    ],
)
def test_only_what_is_to_be_trained_changes(
    changes: Any, changed: set[str], model: Pi0Config
) -> None:
    settings = config(model=model, **changes)
    network, _ = build_network(settings, None, ALONE)
    before = served_state(network, {}, settings).state_dict()
    trainer = Pi0Trainer(settings, network, ALONE)
    for _ in range(2):  # the first step moves only one factor of a low-rank update
        trainer.train_step([batch()], 14)
    now = {name: each.detach().clone() for name, each in trainer.parameters.items()}
    after = served_state(network, now, settings).state_dict()
    parts: set[str] = set()
    for name, tensor in before.items():
        if not torch.equal(tensor, after[name]):
            part_name = name.partition(".")[0]
            parts.add("projections" if part_name.endswith(("proj", "_in", "_out")) else part_name)
    assert parts - {"projector", "token_embedding"} == changed
    assert ("token_embedding" in parts) == (settings.trained == "full")


def test_low_rank_updates_start_as_nothing_and_merge_into_the_same_function() -> None:
    generator = torch.Generator().manual_seed(0)
    stream = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4, bias=False))
    values = torch.randn(3, 6)
    expected = stream(values)
    add_lora(stream, rank=2, alpha=4.0, generator=generator)
    assert torch.equal(stream(values), expected)
    assert set(trained_parameters(stream)) == {
        f"{layer}.lora_{factor}" for layer in (0, 1) for factor in ("down", "up")
    }
    layer = stream[0]
    assert isinstance(layer, LoraLinear)
    with torch.no_grad():
        layer.lora_up.normal_(generator=generator)
    merged = layer.weight + 4.0 / 2 * layer.lora_up @ layer.lora_down
    torch.testing.assert_close(layer(values), values @ merged.T + layer.bias)


@pytest.mark.parametrize(
    "changes",
    [{}, {"model": SMALL_PI05, "lora": LoraConfig(expert=True)}],
    ids=["cspi0", "cspi05, expert too"],
)
def test_what_is_served_after_lora_is_what_was_trained(changes: Any) -> None:
    settings = config(trained="lora", optimiser=replace(FAST, ema_decay=0.0), **changes)
    network, _ = build_network(settings, None, ALONE)
    trainer = Pi0Trainer(settings, network, ALONE)
    for _ in range(2):
        trainer.train_step([batch()], 14)
    plain = served_state(network, weights(trainer), settings)
    observation, noise = batch().observations(), draw_noise(SMALL, 4, 1, 1)
    asked = (observation, noise.flow, noise.sigma, torch.randn(4, SMALL.context_dim))
    torch.testing.assert_close(plain.sample(*asked), network.sample(*asked), rtol=1e-4, atol=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole_batch() -> None:
    whole, halves = make_trainer(config()), make_trainer(config(accumulation=2))
    data = batch()
    first = whole.train_step([data], 14)
    second = halves.train_step([part(data, slice(0, 2)), part(data, slice(2, 4))], 14)
    assert first.loss == pytest.approx(second.loss, rel=1e-5)
    assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=1e-4)


@pytest.mark.parametrize("trained", ["expert", "lora", "full"])
@pytest.mark.parametrize("model", [SMALL, SMALL_PI05], ids=["cspi0", "cspi05"])
def test_recomputed_activations_give_the_same_gradients(trained: str, model: Pi0Config) -> None:
    settings = config(trained=trained, model=model)
    kept = make_trainer(settings).train_step([batch()], 14)
    recomputed = make_trainer(replace(settings, gradient_checkpointing=True))
    again = recomputed.train_step([batch()], 14)
    assert kept.loss == pytest.approx(again.loss, rel=1e-6)
    assert kept.gradient_norm == pytest.approx(again.gradient_norm, rel=1e-5)


@pytest.mark.parametrize("model", [SMALL, SMALL_PI05], ids=["cspi0", "cspi05"])
@pytest.mark.parametrize("recomputing", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("trained", ["expert", "lora", "full"])
def test_half_precision_keeps_what_is_trained_in_float32_and_stays_close(
    trained: str,
    recomputing: bool,  # noqa: FBT001
    model: Pi0Config,
) -> None:
    settings = config(
        precision="bfloat16", trained=trained, gradient_checkpointing=recomputing, model=model
    )
    network, _ = build_network(settings, None, ALONE)
    kinds = {(each.requires_grad, each.dtype) for each in network.parameters()}
    assert (True, torch.bfloat16) not in kinds
    assert ((False, torch.bfloat16) in kinds) == (trained != "full")
    half = Pi0Trainer(settings, network, ALONE).train_step([batch()], 14)
    full = make_trainer(config(trained=trained, model=model)).train_step([batch()], 14)
    assert half.loss == pytest.approx(full.loss, rel=0.05)


def test_steps_behind_an_episodes_end_count_only_if_asked() -> None:
    data = batch()
    other = data._replace(actions=data.actions.clone())
    other.actions[0, 2:] += 10.0  # both are behind the end
    ignored = [make_trainer(config()).train_step([each], 14).loss for each in (data, other)]
    assert ignored[0] == pytest.approx(ignored[1], rel=0.05)
    counting = config(count_padding=True)
    counted = [make_trainer(counting).train_step([each], 16).loss for each in (data, other)]
    assert counted[1] > counted[0] + 1.0


@pytest.mark.parametrize("smoothed", [SMALL, SMALL_PI05], ids=["pi0", "pi05"])
def test_plain_networks_learn_without_any_corruption(smoothed: Pi0Config) -> None:
    plain = replace(smoothed, context_smoothing=False, prefix_rms=False)
    settings = config(model=plain, trained="full")
    trainer = make_trainer(settings)
    losses = [trainer.train_step([batch()], 14).loss for _ in range(20)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights() -> None:
    trainer = make_trainer(config())
    before = weights(trainer)
    data = batch()
    data.actions[1, 0, 0] = float("inf")
    with pytest.raises(DivergedError, match="step 0: the loss is"):
        trainer.train_step([data], 14)
    after = weights(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before)
