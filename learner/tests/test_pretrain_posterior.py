"""PostBC: the ensemble knows where data are scarce, and the targets show it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tmrl_common.errors import ConfigError
from tmrl_learner.errors import ResumeError
from tmrl_learner.pretrain.config import (
    PosteriorConfig,
    PretrainConfig,
    config_from_record,
    preset,
    shape_for_method,
)
from tmrl_learner.pretrain.ensemble import bootstrap_rows, fit_ensemble
from tmrl_learner.pretrain.posterior import PosteriorSource
from tmrl_learner.pretrain.train import train
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch

_POSTERIOR = PosteriorConfig(hidden=32, steps=300, batch_size=64)
_OFTEN, _SELDOM = -1.0, 1.0


class _Unbalanced:
    """96 episodes at one context, 4 at another; every episode has an action of its own."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._episodes = torch.arange(100).repeat_interleave(10)
        context = torch.where(self._episodes < 96, _OFTEN, _SELDOM)[:, None]
        action = torch.randn(100, 1, 1, generator=generator)[self._episodes]
        self._all = PolicyBatch(torch.zeros(1000, 0), context, 7.0 * action.expand(-1, 4, 2))

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        rows = torch.randint(1000, (size,), generator=generator)
        return PolicyBatch(*(values[rows] for values in self._all))

    def validation(self) -> PolicyBatch:
        return self._all

    def statistics(self) -> PolicyBatch:
        return self._all

    def episodes(self) -> Tensor:
        return self._episodes

    def sha256(self) -> str:
        return "unbalanced"


def _deviations(seed: int) -> Tensor:
    """At the plentiful and at the scarce context, (2, H, A)."""
    ensemble = fit_ensemble(_POSTERIOR, _Unbalanced(), seed)
    return ensemble.deviation(torch.zeros(2, 0), torch.tensor([[_OFTEN], [_SELDOM]]))


def test_members_disagree_where_demonstrations_are_scarce() -> None:
    often, seldom = _deviations(0).square().mean(dim=(1, 2))
    assert seldom > 3.0 * often


def test_an_ensemble_is_determined_by_its_seed() -> None:
    assert torch.equal(_deviations(0), _deviations(0))
    assert not torch.equal(_deviations(0), _deviations(1))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 5))
def test_a_bootstrap_takes_whole_episodes(episodes: list[int], seed: int) -> None:
    """As many draws as episodes; every row of an episode comes as often as its others."""
    labels = torch.tensor(episodes)
    rows, lengths = bootstrap_rows(labels, 3, torch.Generator().manual_seed(seed))
    for member, length in zip(rows, lengths, strict=True):
        times = torch.bincount(member[:length], minlength=len(episodes))
        draws = {int(label): times[labels == label].unique() for label in labels.unique()}
        assert all(len(counts) == 1 for counts in draws.values())
        assert sum(int(counts) for counts in draws.values()) == len(draws)


def test_targets_are_perturbed_as_far_as_the_members_disagree() -> None:
    config = replace(_POSTERIOR, alpha=0.5)
    source = _Unbalanced()
    perturbed = PosteriorSource(source, config, seed=0)
    batch = perturbed.draw(4000, torch.Generator().manual_seed(5))
    recorded = source.draw(4000, torch.Generator().manual_seed(5))
    assert torch.equal(batch.context, recorded.context)
    deviation = fit_ensemble(config, source, 0).deviation(recorded.proprio, recorded.context)
    standardised = (batch.actions - recorded.actions) / (0.5 * deviation)
    assert abs(float(standardised.mean())) < 0.05
    assert float(standardised.var()) == pytest.approx(1.0, rel=0.05)
    again = perturbed.draw(4000, torch.Generator().manual_seed(6))
    assert not torch.equal(again.actions[0], batch.actions[0])
    assert torch.equal(perturbed.validation().actions, source.validation().actions)


def _short(method: str) -> PretrainConfig:
    return replace(preset(method, steps=20), batch_size=32, posterior=replace(_POSTERIOR, steps=20))


def _trained(config: PretrainConfig, folder: Path) -> FlowPolicy:
    shape = shape_for_method(FlowPolicyConfig(0, 1, 2, 4, hidden=16, blocks=1), config.method)
    return train(config, shape, _Unbalanced(), folder / config.method)[0]


def test_the_policy_is_a_plain_one_from_other_targets(tmp_path: Path) -> None:
    posterior, plain = (_trained(_short(method), tmp_path) for method in ("postbc", "bc"))
    assert posterior.config == plain.config
    assert posterior.statistics_hash() == plain.statistics_hash()
    assert not torch.equal(posterior.network.chunk_out.bias, plain.network.chunk_out.bias)


def test_another_ensemble_is_another_training(tmp_path: Path) -> None:
    config = _short("postbc")
    _trained(config, tmp_path)
    with pytest.raises(ResumeError, match="finish it with the settings it names"):
        _trained(replace(config, posterior=replace(config.posterior, alpha=2.0)), tmp_path)


def test_settings_survive_the_record_also_without_a_posterior() -> None:
    config = _short("postbc")
    values = {**vars(config), "posterior": vars(config.posterior)}
    assert config_from_record(values) == config
    assert config_from_record({"method": "bc", "seed": 3}) == preset("bc", seed=3)


@pytest.mark.parametrize(
    "setting", [{"members": 1}, {"steps": 0}, {"learning_rate": 0.0}, {"alpha": -1.0}]
)
def test_bad_settings_of_the_ensemble_are_named(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"posterior\." + next(iter(setting))):
        PosteriorConfig(**setting)
