"""Pre-training learns, and continues after an interruption as if nothing had happened."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_common.errors import ConfigError
from tmrl_learner.errors import ResumeError
from tmrl_learner.pretrain.config import (
    CONTEXT_DROPOUT,
    PretrainConfig,
    preset,
    shape_for_method,
)
from tmrl_learner.pretrain.dataset import DemonstrationSet, cut_chunks, split_episodes
from tmrl_learner.pretrain.source import DemonstrationSource
from tmrl_learner.pretrain.train import policy_shape, train
from tmrl_learner.pretrain.trainer import FlowTrainer
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch

_CONFIG = PretrainConfig(
    "csp", steps=30, batch_size=32, warmup_steps=5, validate_every=10, checkpoint_every=10
)


def _demonstrations() -> DemonstrationSet:
    """20 episodes of 10 rows whose first action column is the context's."""
    rng = np.random.default_rng(0)
    context = rng.normal(size=(200, 4)).astype(np.float32)
    return DemonstrationSet(
        proprio=rng.normal(size=(200, 5)).astype(np.float32),
        context=context,
        actions=np.repeat(context[:, :1], 4, axis=1),
        episode_starts=np.arange(0, 200, 10),
        episode_lengths=np.full(20, 10),
    )


def _source(config: PretrainConfig) -> DemonstrationSource:
    horizon = FlowPolicyConfig().horizon
    return DemonstrationSource(_demonstrations(), horizon, config.validation_fraction, config.seed)


def _shape(config: PretrainConfig) -> FlowPolicyConfig:
    return policy_shape(config, _demonstrations())


def _trainer(config: PretrainConfig) -> FlowTrainer:
    return FlowTrainer(config, _shape(config), _source(config))


def _same_weights(one: FlowPolicy, other: FlowPolicy) -> bool:
    values = other.state_dict()
    return all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


def test_an_interrupted_training_ends_bit_equal(tmp_path: Path) -> None:
    straight = _trainer(_CONFIG)
    interrupted = _trainer(_CONFIG)
    for _ in range(30):
        straight.train_step()
    for _ in range(17):
        interrupted.train_step()
    interrupted.save(tmp_path / "unfinished")
    resumed = _trainer(_CONFIG)
    resumed.resume(tmp_path / "unfinished")
    assert resumed.step == 17
    for _ in range(13):
        resumed.train_step()
    assert _same_weights(straight.policy, resumed.policy)
    assert _same_weights(straight.average, resumed.average)
    assert straight.validate() == resumed.validate()


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 31}, {"method": "bc"}])
def test_another_training_is_not_resumed(tmp_path: Path, change: dict[str, int]) -> None:
    trainer = _trainer(_CONFIG)
    trainer.train_step()
    trainer.save(tmp_path / "unfinished")
    with pytest.raises(ResumeError, match="finish it with the settings it names, or remove it"):
        _trainer(replace(_CONFIG, **change)).resume(tmp_path / "unfinished")


def test_train_picks_up_what_it_left(tmp_path: Path) -> None:
    stem = tmp_path / "csp"
    policy, loss = train(_CONFIG, _shape(_CONFIG), _source(_CONFIG), stem)
    again, same_loss = train(_CONFIG, _shape(_CONFIG), _source(_CONFIG), stem)
    assert _same_weights(policy, again)
    assert loss == same_loss


def test_the_recipe_of_the_shipped_policies_is_unchanged() -> None:
    """Rows drawn from all training chunks, then the loss, from one generator: written out."""
    trainer = _trainer(_CONFIG)
    chunks = cut_chunks(_demonstrations(), trainer.policy.config.horizon)
    rows, _ = split_episodes(_demonstrations(), _CONFIG.validation_fraction, _CONFIG.seed)
    training = PolicyBatch(*(values[torch.from_numpy(rows)] for values in chunks))
    generator = torch.Generator().manual_seed(_CONFIG.seed)
    torch.manual_seed(_CONFIG.seed)
    policy = FlowPolicy(_shape(_CONFIG))
    policy.fit_normalisers(training)
    optimiser = torch.optim.AdamW(
        policy.parameters(), betas=(0.95, 0.999), weight_decay=1e-6, foreach=True
    )
    for step in range(8):
        for group in optimiser.param_groups:
            cosine = 0.5 * (1.0 + math.cos(math.pi * step / 30))
            group["lr"] = min(1.0, (step + 1) / 5) * (2e-5 + (1e-3 - 2e-5) * cosine)
        drawn = torch.randint(len(rows), (32,), generator=generator)
        loss = policy.loss(PolicyBatch(*(values[drawn] for values in training)), generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        trainer.train_step()
    assert _same_weights(trainer.policy, policy)


class _Relabelled:
    """Draws every batch again: actions are the context, and no sample exists twice."""

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        context = torch.randn(size, 1, generator=generator)
        return PolicyBatch(torch.zeros(size, 0), context, context[:, :, None].expand(size, 4, 2))

    def validation(self) -> PolicyBatch:
        return self.draw(64, torch.Generator().manual_seed(1))

    def statistics(self) -> PolicyBatch:
        return self.draw(512, torch.Generator().manual_seed(2))

    def episodes(self) -> torch.Tensor:
        return torch.arange(512) // 8

    def sha256(self) -> str:
        return "relabelled"


def test_a_source_may_draw_every_batch_anew(tmp_path: Path) -> None:
    config = replace(_CONFIG, steps=200, learning_rate=3e-3, schedule="constant")
    shape = FlowPolicyConfig(0, 1, 2, horizon=4, hidden=32, blocks=1)
    before = FlowTrainer(config, shape, _Relabelled()).validate().clean
    policy, loss = train(config, shape, _Relabelled(), tmp_path / "csp")
    assert loss.clean < 0.5 * before
    assert policy.config.proprio_dim == 0


def test_training_learns_to_use_the_context() -> None:
    trainer = _trainer(replace(_CONFIG, steps=400, learning_rate=2e-3))
    before = trainer.validate().clean
    for _ in range(400):
        trainer.train_step()
    after = trainer.validate()
    assert after.clean < 0.5 * before
    assert after.clean < after.marginal


def test_a_policy_to_be_guided_loses_its_context_at_weight_zero() -> None:
    config = replace(_CONFIG, method="cfg", steps=400, learning_rate=2e-3)
    trainer = _trainer(config)
    assert trainer.policy.config.context_dropout == CONTEXT_DROPOUT
    for _ in range(400):
        trainer.train_step()
    loss = trainer.validate()
    assert loss.clean < loss.marginal


@pytest.mark.parametrize(("method", "other"), [("csp", "bc"), ("cfg", "bc"), ("bc", "csp")])
def test_a_shape_of_another_method_is_refused(method: str, other: str) -> None:
    config = replace(_CONFIG, method=method)
    with pytest.raises(ConfigError, match="take the shape from shape_for_method"):
        FlowTrainer(config, shape_for_method(_shape(config), other), _source(config))


def test_plain_cloning_has_no_marginal_of_its_own() -> None:
    trainer = _trainer(replace(_CONFIG, method="bc"))
    loss = trainer.validate()
    assert loss.clean == loss.marginal


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'csp'"):
        preset("cps")
    with pytest.raises(ConfigError, match="steps is 0"):
        preset("bc", steps=0)
    with pytest.raises(ConfigError, match="schedule is 'linear'"):
        PretrainConfig("csp", schedule="linear")
    with pytest.raises(ConfigError, match="ema_decay is 1"):
        PretrainConfig("csp", ema_decay=1.0)
