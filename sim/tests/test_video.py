import numpy as np
import pytest
from PIL import Image

from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.layouts import Layout
from tmrl_cell.trajectory import TrajectoryRecorder, trajectory_path
from tmrl_cell.video import render_gif

SIZE = {"height": 60, "width": 80}


def record(run_dir, episode: int, steps: int):
    """An episode in which the arm moves sideways."""
    cell = WidowXCell()
    cell.reset(Layout(carrot_xy_m=(0.23, -0.02), sausage_xy_m=(0.32, 0.13)))
    recorder = TrajectoryRecorder(run_dir, period_s=0.2)
    recorder.on_episode(episode, running=True, first_sequence=0)
    for step in range(steps):
        recorder.record(step, step * 200_000_000, cell.snapshot())
        cell.step(np.array((0.25, 0.02 * (step + 1), 0.15)), TOOL_DOWN_WXYZ, 1.0)
    recorder.on_episode(episode, running=False, first_sequence=0)
    return trajectory_path(run_dir, episode)


def test_two_episodes_run_side_by_side_until_the_longer_one_ends(tmp_path):
    paths = [record(tmp_path, 1, steps=5), record(tmp_path, 2, steps=2)]
    render_gif(paths, ["first", "last"], tmp_path / "report" / "episodes.gif", **SIZE)
    with Image.open(tmp_path / "report" / "episodes.gif") as gif:
        assert gif.n_frames == 5
        assert gif.width == 2 * SIZE["width"]
        frames = []
        for at in range(gif.n_frames):
            gif.seek(at)
            frames.append(np.asarray(gif.convert("RGB")))
    halves = [np.split(frame, 2, axis=1) for frame in frames]
    assert (halves[2][0] != halves[4][0]).any()
    np.testing.assert_array_equal(halves[2][1], halves[4][1])


@pytest.mark.parametrize("titles", [[], ["first", "last"]])
def test_every_episode_needs_its_caption(tmp_path, titles):
    with pytest.raises(ValueError, match="give one caption for each"):
        render_gif([record(tmp_path, 1, steps=1)], titles, tmp_path / "episodes.gif")
    with pytest.raises(ValueError, match="at least one episode"):
        render_gif([], [], tmp_path / "episodes.gif")
