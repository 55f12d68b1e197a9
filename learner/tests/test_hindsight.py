"""What a person drove, explained by the latent that leads to the same actions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tmrl_common.chunks import Driver, Origin
from tmrl_common.errors import ConfigError
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome, SteeringSource
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import (
    HindsightConfig,
    LearnerConfig,
    ReplayConfig,
    ScheduleConfig,
    Sizes,
)
from tmrl_learner.errors import LearnerError
from tmrl_learner.frozen_policy import SteeredPolicy
from tmrl_learner.session import LearnerSession
from tmrl_learner.testing import FEATURES, make_transition

SIZES = Sizes(features=FEATURES, z=2, epsilon=2, actions=4)
EMPTY = np.zeros(0, np.float32)


class Noisy:
    """Two steps of what z says, turned by a quarter; context noise adds to it as sigma rises."""

    width = 4

    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        return self.steered(features, z, z.new_zeros(len(z)), torch.zeros_like(z))

    def steered(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        turned = torch.stack([z[:, 1], -z[:, 0]], dim=-1) + sigma[:, None] * epsilon
        return torch.cat([turned, turned], dim=-1)

    def normalise(self, executed: Tensor) -> Tensor:
        return executed / 0.5


class OnlyAtHighSigma(Noisy):
    """One whose first number grows with sigma, as behaviour does that smoothing alone brings."""

    def steered(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        step = torch.stack([4.0 * sigma, z[:, 1]], dim=-1)
        return torch.cat([step, step], dim=-1)


def make_config(**agent: object) -> LearnerConfig:
    return LearnerConfig(
        agent=TmrlConfig(hidden=8, critics=2, batch_size=8, utd=2, z_bound=1.0, **agent),  # type: ignore[arg-type]
        replay=ReplayConfig(capacity=100),
        schedule=ScheduleConfig(warmup_chunks=4),
        hindsight=HindsightConfig(candidates=2000, tolerance=0.2),
    )


def make_session(
    policy: SteeredPolicy | None = None, config: LearnerConfig | None = None
) -> LearnerSession:
    return LearnerSession(config or make_config(), SIZES, lambda: 0.0, policy or Noisy())


def by_hand(sequence: int, actions: list[list[float]], **changes: object) -> Transition:
    values = {
        "steering": SteeringSource.NONE,
        "origin": Origin.HUMAN,
        "z": EMPTY,
        "sigma": 0.0,
        "epsilon": EMPTY,
        "executed_actions": np.array(actions, np.float32),
        "driver": np.full(len(actions), Driver.TELEOP, np.uint8),
        "terminated": True,
        "reward": 0.0,
        "episode_outcome": Outcome.SUCCESS,
    }
    return make_transition(sequence, sequence, 0, **(values | changes))


def stored(session: LearnerSession) -> dict[str, np.ndarray]:
    columns, _ = session.replay.state()
    return {name: columns[name][0] for name in ("z", "sigma")}


def test_the_latent_is_found_that_leads_to_what_the_person_did() -> None:
    session = make_session()
    session.ingest(by_hand(1, [[0.2, -0.3], [0.2, -0.3]]))
    found = stored(session)
    # The policy's units are half as large: (z1, -z0) = (0.4, -0.6).
    np.testing.assert_allclose(found["z"], [0.6, 0.4], atol=0.15)
    assert session.replay.learnable == session.replay.successes == 1
    assert (session.counters.human, session.counters.explained) == (1, 1)


def test_of_latents_that_come_close_one_is_taken_that_does_so_under_any_context_noise() -> None:
    session = make_session()
    session.ingest(by_hand(1, [[0.2, -0.3], [0.2, -0.3]]))
    assert stored(session)["sigma"][0] < 0.2, "at a higher one it would have been luck"


def test_sigma_is_found_where_only_it_leads_there() -> None:
    session = make_session(OnlyAtHighSigma())
    session.ingest(by_hand(1, [[1.5, 0.1], [1.5, 0.1]]))
    assert stored(session)["sigma"][0] == pytest.approx(0.75, abs=0.1)
    capped = make_session(OnlyAtHighSigma(), make_config(sigma_max=0.5))
    capped.ingest(by_hand(1, [[1.5, 0.1], [1.5, 0.1]]))
    assert capped.replay.learnable == 0, "the actor could not choose it"


def test_what_the_policy_cannot_do_is_kept_and_not_learned_from() -> None:
    session = make_session()
    session.ingest(by_hand(1, [[0.2, -0.3], [-0.2, 0.3]]))
    assert (len(session.replay), session.replay.learnable) == (1, 0)
    assert (session.counters.human, session.counters.explained) == (1, 0)


def test_a_segment_that_ended_early_is_judged_by_the_steps_that_it_has() -> None:
    session = make_session()
    session.ingest(by_hand(1, [[0.2, -0.3]]))
    assert session.replay.learnable == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"aborted": True, "terminated": False, "reward": -1.0, "episode_outcome": Outcome.ABORTED},
        {"driver": np.array([Driver.TELEOP, Driver.NONE], np.uint8)},
        {"executed_actions": np.full((3, 2), 0.2, np.float32), "driver": np.ones(3, np.uint8)},
    ],
)
def test_nothing_is_searched_for_what_says_nothing(changes: dict[str, object]) -> None:
    session = make_session()
    session.ingest(by_hand(1, [[0.2, -0.3], [0.2, -0.3]], **changes))
    assert session.counters.explained == session.replay.learnable == 0


def test_a_chosen_context_noise_is_found_with_its_latent() -> None:
    session = make_session(config=make_config(epsilon_head=True, epsilon_bound=1.0))
    session.ingest(by_hand(1, [[0.9, -0.3], [0.9, -0.3]]))
    columns, _ = session.replay.state()
    z, sigma, epsilon = (torch.from_numpy(columns[n][:1]) for n in ("z", "sigma", "epsilon"))
    # 1.8 is beyond what z alone reaches.
    reached = Noisy().steered(torch.zeros(1, FEATURES), z, sigma[:, 0], epsilon)
    np.testing.assert_allclose(reached[0], [1.8, -0.6, 1.8, -0.6], atol=0.4)


def test_equal_runs_find_equal_latents_in_whatever_order_the_segments_come() -> None:
    segments = [by_hand(n, [[0.1 * n, -0.3], [0.1 * n, -0.3]]) for n in (1, 2, 3)]
    there, back = make_session(), make_session()
    for segment in segments:
        there.ingest(segment)
    for segment in reversed(segments):
        back.ingest(segment)
    np.testing.assert_array_equal(
        there.replay.state()[0]["z"][:3], back.replay.state()[0]["z"][2::-1]
    )


def test_a_round_tells_how_much_of_what_people_drove_was_explained() -> None:
    session = make_session()
    for n in range(1, 6):
        session.ingest(by_hand(n, [[0.2, -0.3], [0.2 if n > 1 else -0.2, -0.3]]))
    metrics = session.update()
    assert (metrics["human_segments"], metrics["human_segments_explained"]) == (5, 4)


def test_without_the_search_or_the_policy_it_says_so() -> None:
    off = replace(make_config(), hindsight=HindsightConfig())
    session = LearnerSession(off, SIZES, lambda: 0.0)
    session.ingest(by_hand(1, [[0.2, -0.3], [0.2, -0.3]]))
    assert session.replay.learnable == 0
    with pytest.raises(LearnerError, match=r"set policy and execute_steps.*hindsight.candidates=0"):
        LearnerSession(make_config(), SIZES, lambda: 0.0)
    with pytest.raises(ConfigError, match=r"hindsight\.tolerance"):
        HindsightConfig(tolerance=0.0)
