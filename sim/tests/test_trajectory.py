import numpy as np
import pytest

from tmrl_cell.trajectory import TrajectoryRecorder, load_trajectory, trajectory_path

PERIOD_NS = 200_000_000


def record(recorder, sequences):
    """One snapshot per control period; its first number is the state's sequence number."""
    for sequence in sequences:
        recorder.record(sequence, sequence * PERIOD_NS, np.array((sequence, 0.5, -1.0)))


def start(recorder, episode, first_sequence):
    recorder.on_episode(episode, running=True, first_sequence=first_sequence)


def stop(recorder, episode):
    recorder.on_episode(episode, running=False, first_sequence=0)


def recorded(run_dir, episode):
    return load_trajectory(trajectory_path(run_dir, episode)).qpos[:, 0].tolist()


@pytest.fixture
def recorder(tmp_path):
    return TrajectoryRecorder(tmp_path, period_s=0.2)


def test_an_episode_is_stored_when_it_ends(recorder, tmp_path):
    recorder.on_reset()
    record(recorder, [1, 2])
    start(recorder, 12, first_sequence=2)
    record(recorder, [3, 4, 5])
    assert not trajectory_path(tmp_path, 12).exists()
    stop(recorder, 12)
    trajectory = load_trajectory(tmp_path / "trajectories" / "episode_00012.npz")
    assert trajectory.qpos.dtype == np.float32
    np.testing.assert_array_equal(trajectory.qpos, [(n, 0.5, -1.0) for n in (2, 3, 4, 5)])
    np.testing.assert_allclose(trajectory.stamp_s, [0.4, 0.6, 0.8, 1.0])
    assert [path.name for path in (tmp_path / "trajectories").iterdir()] == ["episode_00012.npz"]


def test_steps_taken_before_the_news_of_the_start_belong_to_the_episode(recorder, tmp_path):
    recorder.on_reset()
    record(recorder, [7, 8, 9])
    start(recorder, 1, first_sequence=7)
    start(recorder, 1, first_sequence=7)
    stop(recorder, 1)
    assert recorded(tmp_path, 1) == [7, 8, 9]


def test_a_reset_ends_the_episode_of_the_former_scene(recorder, tmp_path):
    record(recorder, [1])
    start(recorder, 1, first_sequence=1)
    record(recorder, [2])
    recorder.on_reset()
    record(recorder, [3])
    start(recorder, 1, first_sequence=1)
    record(recorder, [4])
    stop(recorder, 1)
    assert recorded(tmp_path, 1) == [1, 2]


def test_a_missed_end_is_made_up_for_by_the_next_start(recorder, tmp_path):
    record(recorder, [1])
    start(recorder, 1, first_sequence=1)
    record(recorder, [2, 3])
    start(recorder, 2, first_sequence=3)
    record(recorder, [4])
    stop(recorder, 2)
    assert recorded(tmp_path, 1) == [1, 2, 3]
    assert recorded(tmp_path, 2) == [3, 4]


def test_nothing_is_stored_outside_of_episodes(recorder, tmp_path):
    record(recorder, range(1, 5))
    stop(recorder, 0)
    recorder.on_reset()
    assert list(tmp_path.iterdir()) == []


def test_faster_measurements_are_thinned_to_control_steps(recorder, tmp_path):
    start(recorder, 1, first_sequence=0)
    for tick in range(100):
        recorder.record(tick, tick * PERIOD_NS // 10, np.array((tick, 0.0)))
    stop(recorder, 1)
    assert recorded(tmp_path, 1) == list(range(0, 100, 10))


def test_a_full_disk_costs_the_trajectory_and_nothing_else(recorder, tmp_path, monkeypatch):
    def full(*_args, **_arrays):
        raise OSError(28, "No space left on device")

    record(recorder, [1])
    start(recorder, 1, first_sequence=1)
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        stop(recorder, 1)
    assert "episode 1 is lost" in recorder.problem
    assert "No space left on device" in recorder.problem
    assert list((tmp_path / "trajectories").iterdir()) == []
    start(recorder, 2, first_sequence=1)
    stop(recorder, 2)
    assert recorder.problem == ""
    assert recorded(tmp_path, 2) == [1]


def test_a_failed_write_leaves_the_former_file_alone(recorder, tmp_path, monkeypatch):
    def torn(file, **_arrays):
        file.write(b"half")
        raise OSError(5, "Input/output error")

    record(recorder, [1])
    start(recorder, 1, first_sequence=1)
    stop(recorder, 1)
    monkeypatch.setattr(np, "savez", torn)
    start(recorder, 1, first_sequence=1)
    stop(recorder, 1)
    assert recorded(tmp_path, 1) == [1]


def test_what_is_no_trajectory_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", actions=np.zeros(3))
    with pytest.raises(ValueError, match="holds actions; not qpos and stamp_s"):
        load_trajectory(tmp_path / "other.npz")


def test_without_a_run_directory_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = TrajectoryRecorder(None, period_s=0.2)
    record(recorder, [1, 2])
    start(recorder, 1, first_sequence=1)
    stop(recorder, 1)
    assert list(tmp_path.iterdir()) == []
