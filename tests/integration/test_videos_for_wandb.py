"""The recorder's videos lie where the learner looks for what it hands on to wandb."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: ./tmrl run pytest")

from tmrl_common.testing.waiting import wait_until
from tmrl_learner.tracking import EpisodeVideos
from tmrl_recorder.file_names import FOLDER
from tmrl_recorder.regular_videos import RegularVideos
from tmrl_recorder.testing import record_pictures

TIMEOUT_S = 60.0


def test_a_video_that_the_recorder_makes_is_found_by_the_learner(tmp_path: Path) -> None:
    recordings, found = tmp_path / FOLDER, EpisodeVideos(tmp_path)
    recordings.mkdir()
    record_pictures(recordings, 1, ["wrist"], [0.0, 0.5])
    maker, new = RegularVideos(recordings, every=25), list[Path]()

    def is_found() -> bool:
        assert maker.check() == ""
        new.extend(found.take_new())
        return bool(new)

    wait_until(is_found, "the video", TIMEOUT_S)
    maker.close()
    assert [path.name for path in new] == ["episode_0001.mp4"]
