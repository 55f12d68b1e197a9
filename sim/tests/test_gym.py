"""The cell as a Gymnasium environment: the interface, determinism, and the three ends."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from tmrl_cell.demonstrations import POLICY_ACTION_COLUMNS
from tmrl_cell.episode import MAX_STEPS
from tmrl_cell.expert import Expert
from tmrl_cell.gym import WidowXPickEnv

ID = "tmrl_cell.gym:tmrl/WidowXPick-v0"


@pytest.fixture(scope="module")
def env():
    env = WidowXPickEnv()
    yield env
    env.close()


def roll(env, seed, steps=10, **options):
    """Observations of an episode of random actions, stacked."""
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=seed, options=options)
    seen = [np.concatenate(list(observation.values()))]
    for _ in range(steps):
        action = rng.uniform(env.action_space.low, env.action_space.high).astype(np.float32)
        seen.append(np.concatenate(list(env.step(action)[0].values())))
    return np.array(seen)


@pytest.mark.filterwarnings("ignore:.*(infinity|symmetric and normalized):UserWarning")
@pytest.mark.parametrize("name", ["WidowXPick-v0", "WidowXPickPretraining-v0"])
def test_gymnasiums_own_checker_is_content(name):
    env = gymnasium.make(f"tmrl_cell.gym:tmrl/{name}", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_a_seed_fixes_everything_also_in_another_environment(env):
    first = roll(env, 5)
    np.testing.assert_array_equal(first, roll(env, 5))
    other = WidowXPickEnv()
    np.testing.assert_array_equal(first, roll(other, 5))
    other.close()
    assert not np.array_equal(first[0], roll(env, 6)[0])


def test_the_time_limit_truncates_and_does_not_terminate(env):
    env.reset(seed=0)
    ends = [env.step(np.array([0, 0, 0, 1], np.float32))[1:4] for _ in range(MAX_STEPS)]
    assert ends[:-1] == [(-1.0, False, False)] * (MAX_STEPS - 1)
    assert ends[-1] == (-1.0, False, True)


@pytest.mark.parametrize("target", ["carrot", "sausage"])
def test_success_terminates_with_reward_zero(env, target):
    """The scripted expert solves either task through the environment's own actions."""
    seen, _ = env.reset(seed=1, options={"target": target})
    expert = Expert(np.random.default_rng(1), target)
    rewards, terminated, truncated, info = [], False, False, {}
    while not (terminated or truncated):
        action = expert.act(seen["proprio"], seen["context"])[list(POLICY_ACTION_COLUMNS)]
        seen, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
    assert terminated
    assert not truncated
    assert rewards == [-1.0] * (len(rewards) - 1) + [0.0]
    assert info == {"success": True, "wrong_object": False}


def test_options_hold_for_one_episode(env):
    """The pre-training layouts start the tool anywhere, the downstream ones at its rest pose."""
    rest = env.reset(seed=3)[0]["proprio"][:3]
    elsewhere = env.reset(seed=3, options={"layout": "pretraining"})[0]["proprio"][:3]
    again = env.reset(seed=3)[0]["proprio"][:3]
    assert not np.allclose(rest, elsewhere, atol=1e-3)
    np.testing.assert_array_equal(rest, again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taget": "carrot"}, "unknown option 'taget'. did you mean 'target'"),
        ({"target": "carot"}, "did you mean 'carrot'"),
        ({"layout": "downstrem"}, "did you mean 'downstream'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(env, options, message):
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_it_runs_vectorised(mode):
    envs = gymnasium.make_vec(ID, num_envs=2, vectorization_mode=mode)
    try:
        observation, _ = envs.reset(seed=[5, 6])
        assert observation["proprio"].shape == (2, 5)
        for _ in range(MAX_STEPS):
            _, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert rewards.tolist() == [-1.0, -1.0]
        assert truncated.all()
        assert not terminated.any()
    finally:
        envs.close()
