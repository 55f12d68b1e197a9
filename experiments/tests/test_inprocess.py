"""The loop in one process: what it hands to the learner, and what it reports."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from tmrl_common.chunks import Driver, Origin
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome, Steering, SteeringSource
from tmrl_experiments.inprocess.flow_base import FlowBase
from tmrl_experiments.inprocess.loop import Acting, EpisodeSummary, InProcessLoop
from tmrl_experiments.inprocess.report import episodes_to_90, report
from tmrl_experiments.inprocess.steering import Drawn, uniform_steerings
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import LearnerConfig, ReplayConfig, ScheduleConfig, Sizes
from tmrl_learner.flow_actions import FlowActions
from tmrl_learner.pretrain.evaluate import Scene
from tmrl_learner.session import LearnerSession
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

CONFIG = LearnerConfig(
    agent=TmrlConfig(hidden=8, critics=2, batch_size=8, utd=2),
    replay=ReplayConfig(capacity=200),
    schedule=ScheduleConfig(warmup_chunks=4, warmup_successes=0),
)


class Corridor:
    """A point on a line that must pass 1; an action moves it by its first number."""

    max_steps = 12

    def __init__(self) -> None:
        self._x = 0.0
        self.seeds: list[int] = []

    def reset(self, seed: int) -> Scene:
        self.seeds.append(seed)
        self._x = 0.0
        return self._scene()

    def step(self, action: FloatArray) -> Scene:
        self._x += float(action[0])
        return self._scene()

    def _scene(self) -> Scene:
        position = np.array([self._x], np.float32)
        return Scene(position, position, self._x >= 1.0, wrong_object=self._x <= -1.0)


class Pusher:
    """Moves by sigma, whatever it sees."""

    noise_shape = (6, 2)
    generator = torch.Generator()

    def features(self, scene: Scene, committed: FloatArray | None = None) -> FloatArray:
        return scene.proprio

    def act(
        self, scene: Scene, latent: Steering, committed: FloatArray | None = None
    ) -> FloatArray:
        self.last = latent
        return np.full(self.noise_shape, 0.5 * latent.sigma, np.float32)


def make_loop(config: LearnerConfig = CONFIG) -> tuple[InProcessLoop, LearnerSession]:
    session = LearnerSession(config, Sizes(features=1, z=2, epsilon=1), steady_s=lambda: 0.0)
    return InProcessLoop(Pusher(), Corridor(), session, seed=0), session


def test_episodes_become_labelled_transitions_and_updates() -> None:
    loop, session = make_loop()
    episodes = [loop.run_episode() for _ in range(8)]
    chunks = sum(e.chunks for e in episodes)
    assert session.counters.stored == len(session.replay) == session.replay.learnable == chunks
    assert session.replay.successes == sum(e.outcome is Outcome.SUCCESS for e in episodes)
    assert session.counters.rounds == chunks - 4
    assert episodes[0].source is SteeringSource.UNIFORM
    assert episodes[-1].source is SteeringSource.ACTOR


def test_the_last_chunk_is_cut_where_the_episode_ends() -> None:
    loop, session = make_loop()
    for episode in (loop.run_episode() for _ in range(6)):
        if episode.outcome is Outcome.TIMEOUT:
            assert (episode.steps, episode.chunks) == (12, 3)
        else:
            assert episode.steps <= 12
    columns, _ = session.replay.state()
    ends = columns["terminated"][:, 0] == 1.0
    np.testing.assert_array_equal(columns["reward"][:, 0], np.where(ends, 0.0, -1.0))
    assert (columns["next_features"][ends] >= 1.0).all()
    assert (columns["next_features"][~ends] < 1.0).all()


def test_the_frozen_policy_runs_with_its_own_noise_and_learns_nothing() -> None:
    policy = Pusher()
    episode = InProcessLoop(policy, Corridor(), None, seed=0).run_episode()
    assert (episode.source, episode.sigma_mean) == (SteeringSource.BASE, 0.0)
    assert policy.last.z.shape == (6, 2)
    assert policy.last.z.std() > 0.1


def test_the_frozen_policy_runs_at_the_sigma_that_is_wanted() -> None:
    policy = Pusher()
    episode = InProcessLoop(
        policy, Corridor(), None, seed=0, acting=Acting(base_sigma=0.5)
    ).run_episode()
    assert (policy.last.sigma, episode.sigma_mean) == (0.5, 0.5)


@pytest.mark.parametrize(("drawn", "column"), [(Drawn.SIGMA, "sigma"), (Drawn.Z, "z")])
def test_the_learner_sees_what_was_drawn_in_place_of_the_choice(drawn: Drawn, column: str) -> None:
    session = LearnerSession(CONFIG, Sizes(features=1, z=2, epsilon=1), steady_s=lambda: 0.0)
    policy, done = Pusher(), list[FloatArray]()
    loop = InProcessLoop(policy, Corridor(), session, seed=0, acting=Acting(drawn=drawn))
    act = policy.act
    policy.act = lambda scene, latent, committed=None: (
        done.append(getattr(latent, column)),
        act(scene, latent, committed),
    )[1]
    for _ in range(20):
        loop.run_episode()
    columns, _ = session.replay.state()
    np.testing.assert_allclose(columns[column].reshape(len(done), -1), np.vstack(done), rtol=1e-6)
    spread = np.std(np.vstack(done)[4:])
    assert spread > (0.2 if drawn is Drawn.SIGMA else 0.6), "as wide as the draw, not as the actor"


class FirstEpisodesFromTheSecondChunkOn:
    """A person who helps in the first two episodes, in steps that solve the task in one chunk."""

    def drives(self, episode: int, chunk: int) -> bool:
        return episode <= 2 and chunk >= 1

    def act(self, episode: int, scene: Scene) -> FloatArray:
        return np.array([1.0 if scene.proprio[0] > 0.7 else 0.3, 0.0], np.float32)


def test_what_a_helper_drives_is_a_persons_row_and_no_success_of_the_policy() -> None:
    session = LearnerSession(CONFIG, Sizes(features=1, z=2, epsilon=1), steady_s=lambda: 0.0)
    rows = list[Transition]()
    ingest = session.ingest
    session.ingest = lambda row: (rows.append(row), ingest(row))[1]
    still = Pusher()
    still.act = lambda scene, latent, committed=None: np.zeros(still.noise_shape, np.float32)
    helper = FirstEpisodesFromTheSecondChunkOn()
    loop = InProcessLoop(still, Corridor(), session, seed=0, helper=helper)
    first, _, alone = (loop.run_episode() for _ in range(3))
    assert (first.outcome, first.chunks, first.helped_chunks) == (Outcome.SUCCESS, 2, 1)
    assert not first.solved
    assert (alone.outcome, alone.helped_chunks) == (Outcome.TIMEOUT, 0)
    policys, persons = rows[:2]
    assert (policys.origin, persons.origin) == (Origin.POLICY, Origin.HUMAN)
    assert (persons.steering, persons.z.size) == (SteeringSource.NONE, 0)
    assert set(persons.driver) == {Driver.TELEOP}
    np.testing.assert_allclose(persons.executed_actions[:, 0], [0.3, 0.3, 0.3, 1.0])
    np.testing.assert_array_equal(persons.features, policys.next_features)
    assert persons.terminated, "the person solved the task"
    assert persons.reward == 0.0


class Counter:
    """A task without an end that shows how many steps were made."""

    max_steps = 13

    def reset(self, seed: int) -> Scene:
        self._steps = 0
        return self._scene()

    def step(self, action: FloatArray) -> Scene:
        self._steps += 1
        return self._scene()

    def _scene(self) -> Scene:
        seen = np.array([self._steps], np.float32)
        return Scene(seen, seen, success=False, wrong_object=False)


class Planner(Pusher):
    """Each row of a chunk names the step that it is meant for, from what it was decided on."""

    def features(self, scene: Scene, committed: FloatArray | None = None) -> FloatArray:
        steps = 0 if committed is None else len(committed)
        return np.array([scene.proprio[0], steps], np.float32)

    def act(
        self, scene: Scene, latent: Steering, committed: FloatArray | None = None
    ) -> FloatArray:
        rows = np.zeros((7, 2), np.float32)
        rows[:, 0] = scene.proprio[0] + np.arange(7)
        if committed is not None:
            np.testing.assert_array_equal(committed, rows[: len(committed)])
        return rows


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_a_chunk_is_decided_before_the_one_before_it_ends_and_skips_no_step(overlap: int) -> None:
    session = LearnerSession(CONFIG, Sizes(features=2, z=2, epsilon=1), steady_s=lambda: 0.0)
    rows = list[Transition]()
    session.ingest = rows.append
    loop = InProcessLoop(Planner(), Counter(), session, seed=0, overlap_steps=overlap)
    loop.run_episode()
    executed = np.concatenate([row.executed_actions[:, 0] for row in rows])
    np.testing.assert_array_equal(executed, np.arange(13), "every step once, in order")
    assert [row.delay_steps for row in rows] == [0, overlap, overlap]
    assert [row.features.tolist() for row in rows] == [
        [0.0, 0.0],
        [5.0 - overlap, overlap],
        [10.0 - overlap, overlap],
    ]
    for row, following in itertools.pairwise(rows):
        np.testing.assert_array_equal(row.next_features, following.features)
    assert rows[-1].next_features.tolist() == [13.0, 0.0], "where the time is up, the end itself"


def test_what_a_helper_takes_over_is_decided_on_what_there_is_then() -> None:
    session = LearnerSession(CONFIG, Sizes(features=2, z=2, epsilon=1), steady_s=lambda: 0.0)
    rows = list[Transition]()
    session.ingest = rows.append
    helper = FirstEpisodesFromTheSecondChunkOn()
    loop = InProcessLoop(Planner(), Counter(), session, 0, helper=helper, overlap_steps=2)
    loop.run_episode()
    assert [row.delay_steps for row in rows] == [0, 0, 0]
    assert [row.features[0] for row in rows] == [0.0, 5.0, 10.0]


def test_equal_seeds_give_equal_runs() -> None:
    first, second = make_loop()[0], make_loop()[0]
    assert [first.run_episode() for _ in range(6)] == [second.run_episode() for _ in range(6)]


@pytest.mark.parametrize("epsilon", [[1.0], []])
def test_the_flow_policy_behind_the_loop_repeats_one_row_of_z(epsilon: list[float]) -> None:
    shape = FlowPolicyConfig(proprio_dim=1, context_dim=1, action_dim=2, horizon=6, hidden=16)
    base = FlowBase(FlowPolicy(shape).eval(), seed=0)
    torch.nn.init.ones_(base._policy.network.chunk_out.bias)
    scene = Scene(
        np.zeros(1, np.float32), np.zeros(1, np.float32), success=False, wrong_object=False
    )
    z = np.array([0.5, -0.25], np.float32)
    chunk = base.act(
        scene, Steering(SteeringSource.EXPLICIT, z, 0.5, np.array(epsilon, np.float32))
    )
    assert chunk.shape == base.noise_shape == (6, 2)
    assert base.features(scene).shape == (base.features_dim,) == (2,)
    np.testing.assert_allclose(chunk, np.broadcast_to(chunk[0], (6, 2)), rtol=1e-6)


def random_flow_policy() -> FlowPolicy:
    shape = FlowPolicyConfig(proprio_dim=2, context_dim=3, action_dim=2, horizon=6, hidden=16)
    policy = FlowPolicy(shape).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in policy.state_dict().items():
        scale = 0.2 if not name.endswith("std") else 0.5
        offset = 1.0 if name.endswith("std") else 0.0
        tensor.copy_(offset + scale * torch.rand(tensor.shape, generator=generator))
    return policy


@pytest.mark.parametrize("committed", [0, 2])
@pytest.mark.parametrize("overlap", [0, 2])
@pytest.mark.parametrize("z_dim", [2, 12])
def test_the_learner_sees_the_actions_that_the_loop_executes(
    z_dim: int, overlap: int, committed: int
) -> None:
    policy, first = random_flow_policy(), min(committed, overlap)
    base, seen = FlowBase(policy, 0, overlap), FlowActions(policy, 4, "cpu", overlap_steps=overlap)
    rng = np.random.default_rng(0)
    proprio, context = rng.normal(size=2), rng.normal(size=3)
    scene = Scene(
        proprio.astype(np.float32), context.astype(np.float32), success=False, wrong_object=False
    )
    z = rng.normal(size=z_dim).astype(np.float32)
    steering = Steering(SteeringSource.EXPLICIT, z, 0.0, np.zeros(0, np.float32))
    tail = rng.normal(size=(first, 2)).astype(np.float32) if first else None
    chunk = base.act(scene, steering, tail)
    np.testing.assert_allclose(chunk[:first], tail if first else chunk[:0], rtol=1e-5)
    executed = torch.from_numpy(chunk[first : first + 4].ravel())[None]
    features = torch.from_numpy(base.features(scene, tail))[None]
    judged = seen.actions(features, torch.from_numpy(z)[None])
    assert judged.shape == (1, seen.width) == (1, 8)
    torch.testing.assert_close(judged, seen.normalise(executed), rtol=1e-4, atol=1e-5)


def test_a_z_per_step_is_not_repeated() -> None:
    base = FlowBase(random_flow_policy(), seed=0)
    scene = Scene(
        np.zeros(2, np.float32), np.zeros(3, np.float32), success=False, wrong_object=False
    )
    row = np.array([0.5, -0.25], np.float32)
    per_step = np.tile(row, 6)

    def act(z: FloatArray) -> FloatArray:
        return base.act(scene, Steering(SteeringSource.EXPLICIT, z, 0.0, np.zeros(0, np.float32)))

    np.testing.assert_array_equal(act(row), act(per_step))
    per_step[-1] += 1.0
    assert not np.array_equal(act(row), act(per_step))


def summary(*, success: bool) -> EpisodeSummary:
    outcome = Outcome.SUCCESS if success else Outcome.TIMEOUT
    return EpisodeSummary(
        outcome,
        wrong_object=False,
        steps=60,
        chunks=12,
        sigma_mean=0.5,
        source=SteeringSource.ACTOR,
    )


@pytest.mark.parametrize(
    ("successes", "hit"),
    [
        ([True] * 19, None),
        ([True] * 20, 20),
        ([False] * 3 + [True] * 18, 21),
        ([False] * 10 + [True] * 18, 28),
        ([False, True] * 40, None),
    ],
)
def test_episodes_to_90_needs_a_whole_window(successes: list[bool], hit: int | None) -> None:
    assert episodes_to_90(successes) == hit


def test_report_counts_robot_time_from_control_steps() -> None:
    episodes = [summary(success=i >= 5) for i in range(30)]
    figures = report(episodes, period_s=0.2, wall_s=120.0)
    assert figures["robot_minutes"] == pytest.approx(30 * 60 * 0.2 / 60)
    assert figures["episodes_to_90"] == 23
    assert figures["robot_minutes_to_90"] == pytest.approx(23 * 60 * 0.2 / 60)
    assert (figures["first_success"], figures["wall_minutes"]) == (6, 2.0)
    assert figures["success_last_20"] == 1.0


@pytest.mark.parametrize(("method", "sigma"), [("dsrl", 0.0), ("fixed-sigma", 0.5)])
def test_a_method_without_a_sigma_head_never_leaves_its_sigma(method: str, sigma: float) -> None:
    agent = replace(CONFIG.agent, sigma_head=False, sigma_max=sigma)
    loop, session = make_loop(replace(CONFIG, method=method, agent=agent))
    sources: set[SteeringSource] = set()
    while SteeringSource.ACTOR not in sources:
        episode = loop.run_episode()
        sources.add(episode.source)
        assert episode.sigma_mean == sigma
    assert session.counters.rounds > 0


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_that_share_of_warmup_draws_ignores_the_context(fraction: float) -> None:
    agent = make_loop()[1].agent
    rng = np.random.default_rng(0)
    sigmas = np.array([s.sigma for s in uniform_steerings(agent, 400, rng, fraction)])
    assert np.mean(sigmas == agent.bounds.sigma_max) == pytest.approx(fraction, abs=0.1)
    assert ((sigmas >= 0.0) & (sigmas <= agent.bounds.sigma_max)).all()
