"""Fine-tuning in the plate's task: what the learner sees, and sigma where it is held or drawn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_common.types import FloatArray, Steering
from tmrl_experiments.inprocess import ablation
from tmrl_experiments.inprocess.cli import main
from tmrl_experiments.inprocess.flow_base import PlateBase
from tmrl_experiments.inprocess.loop import Acting, InProcessLoop
from tmrl_experiments.inprocess.steering import uniform_steerings
from tmrl_experiments.widowx.task import SETTINGS, TASKS
from tmrl_learner.config import Sizes, resolve
from tmrl_learner.pretrain.evaluate import Scene
from tmrl_learner.session import LearnerSession
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

SHAPE = FlowPolicyConfig(
    proprio_dim=5, context_dim=18, action_dim=4, horizon=6, hidden=16, blocks=1, flow_steps=1
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_flow_policy(tmp_path / "csp", FlowPolicy(SHAPE), {})
    return tmp_path / "csp"


@pytest.mark.parametrize(("shows_plate", "dim"), [(False, 9), (True, 11)])
def test_the_learner_sees_each_object_once(*, shows_plate: bool, dim: int) -> None:
    policy = PlateBase(FlowPolicy(SHAPE).eval(), 0, shows_plate=shows_plate)
    context = np.array([*[1.0, 2.0, 3.0, 4.0] * 4, 5.0, 6.0], np.float32)
    robot = np.arange(10.0, 15.0, dtype=np.float32)
    seen = policy.features(Scene(robot, context, success=False, wrong_object=False))
    assert policy.features_dim == len(seen) == dim
    shown = [*robot, 1.0, 2.0, 3.0, 4.0, *([5.0, 6.0] if shows_plate else [])]
    np.testing.assert_array_equal(seen, np.array(shown, np.float32))


class GraspsAfterOneChunk:
    """Holds something from the second chunk on; nothing ever succeeds."""

    max_steps = 15

    def reset(self, seed: int) -> Scene:
        self._steps = 0
        return self._scene()

    def step(self, action: FloatArray) -> Scene:
        self._steps += 1
        return self._scene()

    def _scene(self) -> Scene:
        here = np.zeros(1, np.float32)
        return Scene(here, here, success=False, wrong_object=False, holding=self._steps >= 5)


class Still:
    """Says at which sigma it was asked."""

    noise_shape = (6, 2)
    generator = torch.Generator()

    def __init__(self) -> None:
        self.sigmas: list[float] = []

    def features(self, scene: Scene, committed: FloatArray | None = None) -> FloatArray:
        return scene.proprio

    def act(
        self, scene: Scene, latent: Steering, committed: FloatArray | None = None
    ) -> FloatArray:
        self.sigmas.append(latent.sigma)
        return np.zeros(self.noise_shape, np.float32)


def test_a_known_schedule_changes_sigma_with_what_is_held() -> None:
    config = resolve("widowx_sim", "fixed-sigma", {"agent.sigma_max": "1"})
    session = LearnerSession(config, Sizes(features=1, z=2, epsilon=1), steady_s=lambda: 0.0)
    policy = Still()
    loop = InProcessLoop(
        policy, GraspsAfterOneChunk(), session, seed=0, acting=Acting(schedule=(0.75, 0.25))
    )
    episode = loop.run_episode()
    assert policy.sigmas == [0.75, 0.25, 0.25]
    assert (episode.sigma_empty, episode.sigma_holding) == (0.75, 0.25)
    columns, _ = session.replay.state()
    assert set(columns["sigma"][:, 0].tolist()) == {1.0}, "a critic is asked at this one alone"


def sigmas_of(acting: Acting, episodes: int, **overrides: str) -> list[list[float]]:
    """Sigma of the chunks of each episode; nothing is ever learned."""
    config = resolve("widowx_sim", "tmrl", {"agent.hidden": "8", "agent.utd": "1", **overrides})
    session = LearnerSession(config, Sizes(features=1, z=2, epsilon=1), steady_s=lambda: 0.0)
    policy = Still()
    loop = InProcessLoop(policy, GraspsAfterOneChunk(), session, seed=0, acting=acting)
    chunks = [loop.run_episode().chunks for _ in range(episodes)]
    ends = np.cumsum(chunks).tolist()
    return [policy.sigmas[e - n : e] for e, n in zip(ends, chunks, strict=True)]


def test_the_warm_up_keeps_a_sigma_and_begins_each_episode_with_a_new_one() -> None:
    episodes = sigmas_of(Acting(hold=1e9), 20, **{"schedule.warmup_chunks": "1000"})
    assert all(len(set(sigmas)) == 1 for sigmas in episodes)
    assert len({sigmas[0] for sigmas in episodes}) == len(episodes)


def test_the_actor_explores_what_the_warm_up_does_while_episodes_fail() -> None:
    learning = {"schedule.warmup_chunks": "1", "schedule.warmup_successes": "0"}
    ends = Acting(0.5, 0.5, exploration=1.0)
    assert {s for sigmas in sigmas_of(ends, 10, **learning)[1:] for s in sigmas} == {0.0, 1.0}
    chosen = {s for sigmas in sigmas_of(Acting(0.5, 0.5), 10, **learning)[1:] for s in sigmas}
    assert not chosen & {0.0, 1.0}


def test_an_actor_of_two_levels_warms_up_on_them() -> None:
    config = resolve("widowx_sim", "tmrl", {"agent.sigma_levels": "2"})
    agent = LearnerSession(config, Sizes(1, 2, 1), steady_s=lambda: 0.0).agent
    drawn = [s.sigma for s in uniform_steerings(agent, 200, np.random.default_rng(0), 0.0)]
    assert set(drawn) == {0.0, 1.0}


def test_shares_of_the_warm_up_are_at_either_end() -> None:
    agent = LearnerSession(
        replace(resolve("widowx_sim", "tmrl", {}), seed=1),
        Sizes(features=1, z=2, epsilon=1),
        steady_s=lambda: 0.0,
    ).agent
    rng = np.random.default_rng(0)
    sigmas = np.array([s.sigma for s in uniform_steerings(agent, 1000, rng, 0.5, 0.25)])
    assert np.mean(sigmas == agent.bounds.sigma_max) == pytest.approx(0.5, abs=0.06)
    assert np.mean(sigmas == 0.0) == pytest.approx(0.25, abs=0.06)


def test_a_run_and_its_report(checkpoint: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["--task", "plate", "--checkpoint", str(checkpoint), "--episodes", "1"]
    assert main([*words, "--json", str(report), "--set", "schedule.warmup_chunks=2"]) == 0
    figures = json.loads(report.read_text())
    assert figures["task"] == "plate"
    assert len(figures["sigma_empty"]) == len(figures["sigma_holding"]) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task=plate", "--helped-episodes=2"], "the helper knows no other"),
        (["--task=plate", "--sigma-schedule", "1", "0"], "--sigma-schedule is for"),
        (["--method=fixed-sigma", "--sigma-schedule", "1", "2"], "--sigma-schedule is 2.0"),
        (["--explore-hold=0.5"], "--explore-hold is 0.5"),
        (["--explore-sigma=2"], "--explore-sigma is 2"),
        (["--warmup-marginal-fraction=0.9", "--warmup-context-fraction=0.2"], "context-fraction"),
        (["--task=plate", "--method=dsrl_na"], "copy of the frozen policy"),
        (["--task=press_button"], "--task press_button takes a policy of 8 actions"),
    ],
)
def test_what_does_not_fit_is_refused(
    words: list[str], sentence: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--checkpoint", str(checkpoint), "--episodes", "1", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_policy_of_the_pots_task_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_flow_policy(tmp_path / "csp", FlowPolicy(replace(SHAPE, context_dim=4)), {})
    assert main(["--task", "plate", "--checkpoint", str(tmp_path / "csp")]) == 2
    assert "./tmrl pretrain widowx_sim --task plate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "target"),
    [(task, name) for task, its in SETTINGS.items() for name in (its.demonstrated, its.target)],
)
def test_equal_seeds_begin_equally_and_others_do_not(task: str, target: str) -> None:
    made = TASKS[task](target)
    one, same, other = (made.reset(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.context, same.context)
    assert not np.array_equal(one.context, other.context)
    assert not one.success


@pytest.mark.parametrize("row", ablation.PLATE_ROWS)
def test_every_row_of_the_plate_runs(row: str, checkpoint: Path, tmp_path: Path) -> None:
    words = ["--task", "plate", "--rows", row, "--seeds", "3", "--episodes", "1"]
    where = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "plate.json")]
    assert ablation.main([*words, *where, "--policies", str(checkpoint.parent)]) == 0
    assert list(json.loads((tmp_path / "plate.json").read_text())) == [row]
