"""Presets and overrides: what is refused, and what the sentence says."""

import dataclasses
import json

import pytest

from tmrl_common.errors import ConfigError
from tmrl_learner.config import PRESETS, LearnerConfig, resolve


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", ["tmrl", "dsrl", "dsrl_na", "fixed-sigma"])
def test_every_preset_resolves_and_dumps_as_json(preset: str, method: str) -> None:
    config = resolve(preset, method)
    assert config.method == method
    assert config.agent.sigma_head is (method == "tmrl")
    assert json.loads(json.dumps(config.to_mapping()))["agent"]["utd"] == config.agent.utd


@pytest.mark.parametrize("preset", ["widowx", "franka"])
def test_a_robots_round_moves_the_targets_as_published(preset: str) -> None:
    agent = resolve(preset).agent
    assert 1.0 - (1.0 - agent.polyak) ** agent.utd == pytest.approx(0.005)


def test_dsrl_differs_from_tmrl_in_its_heads_only() -> None:
    tmrl, dsrl = resolve("widowx", "tmrl").agent, resolve("widowx", "dsrl").agent
    heads_off = dataclasses.replace(tmrl, sigma_head=False, epsilon_head=False)
    assert dataclasses.replace(heads_off, sigma_max=0.0) == dsrl


def test_a_fixed_sigma_is_the_largest_of_the_preset_unless_another_is_given() -> None:
    assert resolve("widowx", "fixed-sigma").agent.sigma_max == 0.5
    given = resolve("widowx_sim", "fixed-sigma", {"agent.sigma_max": "0"}).agent
    assert (given.sigma_max, given.sigma_head, given.epsilon_head) == (0.0, False, False)


def test_overrides_take_dotted_keys_and_strings() -> None:
    config = resolve(
        "widowx_sim",
        overrides={
            "agent.utd": "10",
            "agent.gamma": "0.9",
            "agent.epsilon_head": "true",
            "seed": 3,
        },
    )
    assert (config.agent.utd, config.agent.gamma) == (10, 0.9)
    assert config.agent.epsilon_head is True
    assert config.seed == 3


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("agent.udt", 5, "unknown configuration key 'agent.udt'; did you mean 'utd'"),
        ("agnt.utd", 5, "unknown configuration key"),
        ("agent", 5, "does not name a single value"),
        ("agent.utd.x", 5, "does not name a single value"),
        ("agent.utd", "many", "'many'; it must be a whole number"),
        ("agent.utd", 2.5, "whole number"),
        ("agent.utd", True, "a whole number"),
        ("agent.epsilon_head", "maybe", "true or false"),
        ("agent.epsilon_head", 1, "true or false"),
        ("agent.gamma", 1.5, r"agent\.gamma is 1\.5; it must be above 0 to 1"),
        ("agent.gamma", "nan", "a number, and finite"),
        ("agent.sigma_max", 1.5, r"agent\.sigma_max is 1\.5; it must be 0 to 1"),
        ("agent.sigma_max", 0, "take the method dsrl"),
        ("agent.critics", 0, "agent.critics is 0; it must be 1 to 256"),
        ("agent.z_bound", -1, "above 0"),
        ("replay.capacity", 0, "it must be 1 to 1000000000"),
        ("replay.success_share", 2, "it must be 0 to 1"),
        ("replay.failure_share", 0.6, "success_share 0.5 .* is above 1"),
        ("replay.device", "gpu", "did you mean"),
        ("dsrl_na.uniform_share", -0.1, "it must be 0 to 1"),
        ("replay.device", "cuda", "set device=cuda"),
        ("device", "cud", "did you mean 'cuda'"),
        ("schedule.warmup_chunks", 0, "warmup_chunks is 0; it must be 1 to"),
        ("schedule.warmup_max_chunks", 1, "at least warmup_chunks"),
        ("schedule.chunks_per_round", 0, "it must be 1 to"),
        ("schedule.burst_rounds", -1, "it must be 0 to"),
        ("method", "trml", "unknown method 'trml'; did you mean 'tmrl'"),
    ],
)
def test_bad_overrides_are_refused_with_the_remedy(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve("widowx_sim", overrides={key: value})


@pytest.mark.parametrize("order", [1, -1])
def test_overrides_are_judged_together_whatever_their_order(order: int) -> None:
    pairs = [
        ("schedule.warmup_chunks", "2000"),
        ("schedule.warmup_max_chunks", "3000"),
        ("replay.device", "cuda"),
        ("device", "cuda"),
    ]
    config = resolve("widowx_sim", overrides=dict(pairs[::order]))
    assert (config.schedule.warmup_chunks, config.schedule.warmup_max_chunks) == (2000, 3000)
    assert (config.device, config.replay.device) == ("cuda", "cuda")


def test_an_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'widowx_sim'"):
        resolve("widow_sim")


def test_configuration_cannot_change_after_it_was_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(LearnerConfig(), "method", "dsrl")  # noqa: B010
