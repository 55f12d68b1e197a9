"""Every so many-th episode becomes a video by itself, and no fault of one keeps the next back."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: ./tmrl run pytest")

from tmrl_common.testing.waiting import wait_until
from tmrl_recorder.file_names import video_of
from tmrl_recorder.regular_videos import RegularVideos
from tmrl_recorder.testing import record_pictures

TIMEOUT_S = 60.0


def test_the_first_and_every_third_from_there_on_and_what_cannot_be_shown_is_said(
    tmp_path: Path,
) -> None:
    videos, problems = RegularVideos(tmp_path, every=3), list[str]()
    for episode in range(1, 8):
        cameras = [] if episode == 4 else ["wrist"]
        record_pictures(tmp_path, episode, cameras, [0.0, 0.5])

    def last_is_there() -> bool:
        problems.append(videos.check())
        return video_of(tmp_path, 7).exists()

    wait_until(last_is_there, "the videos", TIMEOUT_S)
    videos.close()
    assert sorted(path.stem for path in tmp_path.glob("*.mp4")) == ["episode_0001", "episode_0007"]
    (problem,) = filter(None, problems)
    assert "episode 4 shows no camera" in problem


def test_none_are_made_where_none_are_wanted(tmp_path: Path) -> None:
    record_pictures(tmp_path, 1, ["wrist"], [0.0, 0.5])
    videos = RegularVideos(tmp_path, every=0)
    assert videos.check() == ""
    videos.close()
    assert not list(tmp_path.glob("*.mp4"))


def test_a_video_that_is_being_made_at_the_end_leaves_nothing_half(tmp_path: Path) -> None:
    record_pictures(tmp_path, 1, ["wrist"], [9.0 * n for n in range(25)])
    videos = RegularVideos(tmp_path, every=1)
    videos.check()
    wait_until(lambda: list(tmp_path.glob(".*_episode_0001.mp4")), "the first bytes", TIMEOUT_S)
    videos.close()
    assert [path.name for path in tmp_path.iterdir()] == ["episode_0001.mcap"]
