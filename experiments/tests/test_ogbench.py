"""OGBench experiments: data in hindsight, chunks as actions, Success@K, runs that continue."""

import json
import operator
from dataclasses import asdict, replace
from math import comb
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError
from tmrl_common.types import FloatArray, Steering
from tmrl_experiments.fan_out import fan_out
from tmrl_experiments.ogbench.benchmarks import CUBE_SINGLE, POINTMAZE_GIANT, Benchmark, benchmark
from tmrl_experiments.ogbench.chunk_policies import FlowChunks
from tmrl_experiments.ogbench.coverage import roll_out, success_at_k
from tmrl_experiments.ogbench.curve_study import curve, final_success
from tmrl_experiments.ogbench.curves import CurveRun, FinishedEpisode, read_episodes, steps_made
from tmrl_experiments.ogbench.environment import ChunkedTask
from tmrl_experiments.ogbench.hindsight import HindsightSource
from tmrl_experiments.ogbench.methods import METHODS, learner_config, method
from tmrl_experiments.ogbench.pretraining import policy_folder, policy_shape, pretrained
from tmrl_experiments.ogbench.recording import Recording, RecordingError, outside_corridors
from tmrl_experiments.ogbench.throughput import steps_per_cpu_s
from tmrl_experiments.ogbench.vector import make_vector, reset_some
from tmrl_learner.config import LearnerConfig
from tmrl_learner.pretrain.config import PretrainConfig
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig


def counted_recording(episodes: int, length: int, seed: int = 0) -> Recording:
    """Cube observations whose joint 0 counts rows; its cube wanders about x = 0.4 m."""
    rng = np.random.default_rng(seed)
    rows = episodes * length
    observations = rng.normal(size=(rows, 28)).astype(np.float32)
    observations[:, 0] = np.arange(rows)
    observations[:, 19] = -0.25 + np.cumsum(rng.normal(size=rows)).astype(np.float32) * 0.02
    actions = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 5, axis=1)
    ends = np.arange(length, rows + 1, length, dtype=np.int64)
    return Recording(observations, actions, ends, "test")


@given(st.integers(0, 20))
def test_scenes_and_goals_are_from_the_training_region_and_chunks_from_one_episode(
    seed: int,
) -> None:
    recording = counted_recording(6, 200, seed)
    familiar = recording.observations[:, 19] <= np.float32(-0.25)
    try:
        source = HindsightSource(recording, CUBE_SINGLE, seed)
    except RecordingError:
        return
    batch = source.draw(200, torch.Generator().manual_seed(seed))
    first = batch.proprio[:, 0].numpy().astype(int)
    steps = first[:, None] + np.arange(CUBE_SINGLE.horizon)
    assert (batch.actions[:, :, 0].numpy() == steps).all()
    assert (steps[:, 0] // 200 == steps[:, -1] // 200).all()
    assert familiar[steps[:, 0]].all()
    assert (batch.context[:, 0].numpy() <= -0.25).all()


@pytest.mark.parametrize(("goal_discount", "ahead"), [(0.0, 1), (1.0, None)])
def test_the_two_ends_of_the_goal_discount_are_the_next_row_and_the_last(
    goal_discount: float, ahead: int | None
) -> None:
    recording = counted_recording(4, 300)
    recording.observations[:, 19] = recording.observations[:, 0] / -1e4 - 0.25
    where = replace(CUBE_SINGLE, goal_discount=goal_discount)
    batch = HindsightSource(recording, where, 0).draw(300, torch.Generator().manual_seed(0))
    start = batch.proprio[:, 0].numpy()
    goal = np.rint((batch.context[:, 0].numpy() + 0.25) * -1e4)
    assert (goal == (start + ahead if ahead else start // 300 * 300 + 299)).all()


def test_data_without_a_whole_chunk_are_refused() -> None:
    with pytest.raises(RecordingError, match="record more episodes"):
        HindsightSource(counted_recording(3, 10), CUBE_SINGLE, 0)


def test_a_transition_of_demonstrations_ends_where_its_goal_was_reached() -> None:
    recording = counted_recording(4, 300)
    recording.observations[:, 19] = -0.5
    transitions = HindsightSource(recording, CUBE_SINGLE, 0).transitions(500, 0)
    start, after = transitions.observations[:, 0], transitions.next_observations[:, 0]
    assert (after - start <= CUBE_SINGLE.execute_steps).all()
    assert (transitions.actions[:, 0, 0] == start).all()
    assert 0.02 < transitions.reached.mean() < 0.2  # 1 - 0.99^8 = 0.077


@pytest.mark.parametrize("spec", [POINTMAZE_GIANT, CUBE_SINGLE], ids=lambda b: b.name)
def test_tasks_are_deterministic_and_keep_time_limit_and_success_apart(spec) -> None:
    environment = ChunkedTask(spec.name)
    first, info = environment.reset(seed=7)
    again, _ = environment.reset(seed=7)
    assert (first == again).all()
    assert environment.observation_space.contains(first)
    assert info["task"] in spec.task_ids
    steps = 0
    truncated = terminated = False
    while not (truncated or terminated):
        chunk = np.zeros(environment.action_space.shape, np.float32)
        _, reward, terminated, truncated, info = environment.step(chunk)
        steps += info["steps"]
        assert reward == -1.0
    assert truncated
    assert not terminated
    assert steps == spec.max_steps


def test_points_side_by_side_move_as_each_does_in_the_benchmarks_own_environment() -> None:
    points = make_vector("pointmaze-giant", 4)
    alone = [ChunkedTask("pointmaze-giant") for _ in range(4)]
    shown = reset_some(points, {i: i for i in range(4)})
    np.testing.assert_array_equal(shown, [task.reset(seed=i)[0] for i, task in enumerate(alone)])
    rng = np.random.default_rng(0)
    running = set(range(4))
    while running:
        # One heading per chunk: the points run into walls and into corners.
        heading = rng.uniform(-1.5, 1.5, (4, 1, 2)).astype(np.float32)
        chunks = np.repeat(heading, POINTMAZE_GIANT.execute_steps, axis=1)
        shown, rewards, terminated, truncated, infos = points.step(chunks)
        for i in sorted(running):
            observation, reward, solved, late, info = alone[i].step(chunks[i])
            np.testing.assert_allclose(shown[i], observation, atol=1e-5)
            assert (rewards[i], terminated[i], truncated[i]) == (reward, solved, late)
            assert (infos["task"][i], infos["steps"][i]) == (info["task"], info["steps"])
            if solved or late:
                running.remove(i)


def test_goals_of_recordings_lie_outside_corridors() -> None:
    maze = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]])
    walled = np.pad(maze, 1, constant_values=1)
    # The ends of the paths and the two bends.
    assert (outside_corridors(walled) - 1).tolist() == [[0, 0], [0, 3], [2, 0], [3, 3]]


def test_goals_of_the_cube_lie_outside_the_training_region() -> None:
    environment = ChunkedTask("cube-single")
    for task in CUBE_SINGLE.task_ids:
        observation, _ = environment.reset(seed=1, options={"task": task})
        assert observation[-3] / 10.0 + 0.425 == pytest.approx(0.5, abs=0.01)
        assert observation[19] / 10.0 + 0.425 < 0.4


def test_the_chunked_task_is_a_gymnasium_environment() -> None:
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("tmrl/ogbench-v0", name="pointmaze-giant").unwrapped)


@given(st.integers(1, 12), st.data())
def test_success_at_k_is_the_chance_of_any_success_among_k(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    solved = np.zeros((1, n), np.bool_)
    solved[0, :c] = True
    estimate = success_at_k(solved, resamples=10).mean
    for k in range(1, n + 1):
        assert estimate[k - 1] == pytest.approx(1.0 - comb(n - c, k) / comb(n, k))
    assert (np.diff(estimate) >= -1e-6).all()


def finished(env_steps: int, *, success: bool) -> FinishedEpisode:
    return FinishedEpisode(env_steps, 1, success, 10, 0.5, 0, 1.0)


class Walker:
    """Stands in for a policy in the maze: walks the way its latent points."""

    z_dim = 2
    features_dim = 4

    def features(self, observations: FloatArray) -> FloatArray:
        return observations / 30.0

    def act(self, observations: FloatArray, steerings: list[Steering]) -> FloatArray:
        shape = (POINTMAZE_GIANT.execute_steps, 2)
        return np.stack([np.broadcast_to(s.z[..., :2].reshape(-1, 2)[0], shape) for s in steerings])


def flow_chunks(spec: Benchmark) -> FlowChunks:
    policy = FlowPolicy(policy_shape(spec, "csp"))
    return FlowChunks(policy, spec, 0.0, torch.Generator().manual_seed(0))


def test_actor_and_critics_tell_neighbouring_cells_of_the_maze_apart() -> None:
    maze, cube = flow_chunks(POINTMAZE_GIANT), flow_chunks(CUBE_SINGLE)
    here_and_a_cell_on = np.array([[0, 0, 20, 20], [4, 0, 20, 20]], np.float32)
    features = maze.features(here_and_a_cell_on)
    assert features.shape == (2, maze.features_dim)
    assert np.abs(features[1, 4:] - features[0, 4:]).max() == pytest.approx(2.0)
    assert cube.features(np.zeros((1, 31), np.float32)).shape == (1, cube.features_dim) == (1, 31)


def test_rollouts_of_a_start_differ_by_noise_alone_and_can_be_repeated() -> None:
    first = roll_out(Walker(), POINTMAZE_GIANT, 0.0, [1, 2], 2, parallel=3)
    assert first.shape == (2, 2)
    assert (first == roll_out(Walker(), POINTMAZE_GIANT, 0.0, [1, 2], 2, parallel=3)).all()


def curve_run(config: LearnerConfig, folder: Path, environments: int) -> CurveRun:
    return CurveRun(
        POINTMAZE_GIANT,
        Walker(),
        config,
        folder,
        environments=environments,
        checkpoint_every=20_000,
    )


def test_a_run_that_was_interrupted_goes_on_and_counts_its_steps(tmp_path: Path) -> None:
    config = learner_config("pointmaze-giant", "dsrl", seed=0)
    schedule = {"schedule": config.schedule.__class__(warmup_chunks=40, warmup_max_chunks=40)}
    config = config.__class__(**(vars(config) | schedule))
    run = curve_run(config, tmp_path, environments=2)
    run.run(3000)
    rounds = run.session.counters.rounds
    assert rounds > 0
    before = read_episodes(tmp_path)
    resumed = curve_run(config, tmp_path, environments=2)
    assert before[-1].env_steps < 3000 <= resumed.env_steps == run.env_steps
    assert resumed.session.counters.rounds == rounds
    stored = resumed.session.counters.stored
    resumed.run(3000)
    assert resumed.session.counters.stored == stored, "its budget was spent"
    resumed.run(resumed.env_steps + 2000)
    assert resumed.session.counters.stored > stored
    assert resumed.session.counters.duplicates == 0
    after = read_episodes(tmp_path)
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_a_run_that_was_killed_while_it_first_saved_begins_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "learner.safetensors.next").write_bytes(b"half of it")
    run = curve_run(learner_config("pointmaze-giant", "dsrl", 0), tmp_path, environments=1)
    run.run(50)
    assert steps_made(tmp_path) == run.env_steps >= 50


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    episode = finished(10, success=True)
    (tmp_path / "episodes.jsonl").write_text(json.dumps(vars(episode)) + '\n{"env_st')
    assert read_episodes(tmp_path) == [episode]


def test_curves_bin_episodes_by_their_end() -> None:
    episodes = [finished(s, success=s > 500) for s in range(25, 1001, 25)]
    result = curve(episodes, 1000)
    assert result.success[:10].max() == 0.0
    assert result.success[10:].min() == 1.0
    assert final_success(episodes, 1000) == 1.0


def test_the_speed_of_both_runners_is_measured_while_they_learn() -> None:
    speed = steps_per_cpu_s(10_000)
    assert speed.keys() == {"env_steps_per_cpu_s", "env_steps_per_cpu_s_one_at_a_time"}
    assert min(speed.values()) > 0.0


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cube-single'"):
        benchmark("cube-singel")
    with pytest.raises(ConfigError, match="did you mean 'postbc-dsrl'"):
        method("postbc")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_learner(name: str) -> None:
    config = learner_config("cube-single", name, seed=3)
    assert config.agent.sigma_head == (METHODS[name].learner == "tmrl")


def test_jobs_run_in_other_processes_and_ray_is_asked_for_by_name() -> None:
    assert dict(fan_out(operator.neg, [1, 2, 3], workers=1)) == {1: -1, 2: -2, 3: -3}
    with pytest.raises(ConfigError, match="pip install ray"):
        list(fan_out(operator.neg, [1], 1, ray_address="auto"))


def test_only_the_environments_that_ended_are_reset() -> None:
    environments = make_vector("pointmaze-giant", 2)
    before = reset_some(environments, {0: 1, 1: 2})
    after = reset_some(environments, {1: 3})
    assert (before[0] == after[0]).all()
    assert (before[1] != after[1]).any()


def test_a_policy_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    config = PretrainConfig("bc", steps=3)
    folder = policy_folder(tmp_path, CUBE_SINGLE, config)
    shape = FlowPolicyConfig(28, 3, 5, CUBE_SINGLE.horizon, 8, 1, context_smoothing=False)
    record = {
        "config": asdict(config),
        "recording": CUBE_SINGLE.recording,
        "horizon": CUBE_SINGLE.horizon,
        "goal_discount": CUBE_SINGLE.goal_discount,
    }
    save_flow_policy(folder, FlowPolicy(shape), record)
    assert pretrained(CUBE_SINGLE, config, tmp_path).z_dim == 5
    with pytest.raises(ConfigError, match="steps"):
        pretrained(CUBE_SINGLE, PretrainConfig("bc", steps=4), tmp_path)
