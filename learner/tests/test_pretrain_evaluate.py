"""Closed-loop evaluation counts what happened, and the model card says it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tmrl_learner.pretrain.config import preset, shape_for_method
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.evaluate import BaseSteering, Evaluation, Scene, draw_chunk, evaluate
from tmrl_learner.pretrain.report import (
    Measurement,
    model_card,
    planned_measurements,
    training_record,
)
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig
from tmrl_policies.testing import scrambled

_CONFIG = FlowPolicyConfig(2, 1, 3, 8, hidden=16, blocks=1)


class _Countdown:
    """Solved after as many steps as the seed says; the wrong object is in from a given step."""

    max_steps = 20

    def __init__(self, wrong_from: int) -> None:
        self._wrong_from = wrong_from
        self.resets: list[int] = []
        self.actions: list[NDArray[np.float32]] = []

    def reset(self, seed: int) -> Scene:
        self.resets.append(seed)
        self._steps = 0
        return self._scene()

    def step(self, action: NDArray[np.float32]) -> Scene:
        assert self._steps < self.max_steps
        self.actions.append(action)
        self._steps += 1
        return self._scene()

    def _scene(self) -> Scene:
        return Scene(
            np.full(2, self._steps, dtype=np.float32),
            np.zeros(1, dtype=np.float32),
            success=self._steps >= self.resets[-1],
            wrong_object=self._steps == self._wrong_from,
        )


def test_success_time_out_and_wrong_object_are_counted_apart() -> None:
    environment = _Countdown(wrong_from=19)
    finished: list[int] = []
    result = evaluate(
        FlowPolicy(_CONFIG),
        environment,
        BaseSteering(),
        episodes=4,
        seed=18,
        on_episode=lambda: finished.append(1),
    )
    assert environment.resets == [18, 19, 20, 21]
    assert result == Evaluation(episodes=4, successes=3, wrong_objects=3, steps=77)
    assert result.success_rate == 0.75
    assert len(environment.actions) == 77
    assert len(finished) == 4


def test_a_chunk_is_replanned_after_the_executed_steps() -> None:
    torch.manual_seed(0)
    policy = FlowPolicy(_CONFIG)
    with torch.no_grad():
        policy.network.chunk_out.bias.normal_()
    environment = _Countdown(wrong_from=-1)
    evaluate(policy, environment, BaseSteering(), episodes=1, seed=10, execute_steps=5)
    generator = torch.Generator().manual_seed(10)
    for start in (0, 5):
        scene = Scene(np.full(2, start, np.float32), np.zeros(1, np.float32), False, False)  # noqa: FBT003
        chunk = draw_chunk(policy, scene, BaseSteering(), generator)
        np.testing.assert_array_equal(environment.actions[start : start + 5], chunk[:5])


def test_repeated_z_is_one_row_within_its_bound() -> None:
    policy = FlowPolicy(_CONFIG)  # untrained: velocity zero, so the actions are the noise
    scene = Scene(np.zeros(2, np.float32), np.zeros(1, np.float32), False, False)  # noqa: FBT003
    chunk = draw_chunk(policy, scene, BaseSteering(0.3, 2.0), torch.Generator().manual_seed(0))
    assert (chunk == chunk[0]).all()
    assert np.abs(chunk).max() <= 2.0
    gaussian = draw_chunk(policy, scene, BaseSteering(0.3), torch.Generator().manual_seed(0))
    assert not (gaussian == gaussian[0]).all()


def test_guidance_reaches_the_policy() -> None:
    policy = scrambled(replace(_CONFIG, context_smoothing=False, context_dropout=0.1))
    scene = Scene(np.zeros(2, np.float32), np.ones(1, np.float32), False, False)  # noqa: FBT003

    def chunk(weight: float | None) -> NDArray[np.float32]:
        steering = BaseSteering(guidance_weight=weight)
        return draw_chunk(policy, scene, steering, torch.Generator().manual_seed(0))

    np.testing.assert_array_equal(chunk(1.0), chunk(None))
    assert not np.allclose(chunk(0.0), chunk(None))
    with pytest.raises(ValueError, match="set sigma to 0"):
        BaseSteering(0.5, guidance_weight=1.0)


@pytest.mark.parametrize(
    ("method", "account"),
    [
        ("csp", "`marginal_100`, sigma in [0, 1]; 0 of the context's variance"),
        ("bc", "sigma = 0 only"),
        ("postbc", "ensemble of 10 regressors"),
        ("cfg", "10% of them were replaced"),
    ],
)
def test_the_model_card_reports_every_measurement(method: str, account: str) -> None:
    config = preset(method, seed=7)
    measurements = [
        Measurement("carrot" if inside else "sausage", inside, steering, Evaluation(8, 6, 1, 300))
        for inside, steering in planned_measurements(config)
    ]
    demonstrations = DemonstrationSet(
        np.zeros((2, 5), np.float32),
        np.zeros((2, 4), np.float32),
        np.zeros((2, 4), np.float32),
        np.array([0, 1]),
        np.array([1, 1]),
    )
    loss = ValidationLoss(0.123, 0.456)
    policy = FlowPolicy(shape_for_method(FlowPolicyConfig(), method))
    card = model_card(config, policy, demonstrations, loss, measurements, "./tmrl pretrain x")
    assert card.count("| 0.75 | 0.12 |") == len(measurements)
    assert "seed 7" in card
    assert account in " ".join(card.split())
    record = training_record(config, demonstrations, loss, measurements)
    assert record["measurements"][0]["result"]["successes"] == 6
