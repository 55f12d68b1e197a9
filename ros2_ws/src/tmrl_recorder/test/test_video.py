"""The video of an episode: made from its recordings, in the robot's time, when it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS: ./tmrl run pytest")

from tmrl_recorder.testing import record_pictures
from tmrl_recorder.video import RATE_HZ, make_video
from tmrl_ros.recordings import RecordingError


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_cameras_stand_side_by_side_in_the_time_of_their_stamps(tmp_path: Path) -> None:
    record_pictures(tmp_path, 7, ["overview", "wrist"], [100.0, 101.0, 102.0])
    shown = frames(make_video(tmp_path, 7))
    assert len(shown) == 2 * RATE_HZ + 1, "two seconds, however fast they were recorded"
    assert shown[0].shape == (240, 320 + 240, 3)
    assert [round(float(frame.mean()) / 10) for frame in (shown[0], shown[-1])] == [0, 2]


def test_a_long_silence_is_not_shown(tmp_path: Path) -> None:
    record_pictures(tmp_path, 1, ["wrist"], [0.0, 1.0, 3600.0, 3601.0])
    assert len(frames(make_video(tmp_path, 1))) == pytest.approx(2 * RATE_HZ, abs=3)


def test_it_is_made_once_and_again_when_more_was_recorded(tmp_path: Path) -> None:
    record_pictures(tmp_path, 2, ["wrist"], [0.0, 0.2])
    video = make_video(tmp_path, 2)
    os.utime(video, (2e9, 2e9))
    assert make_video(tmp_path, 2).stat().st_mtime == 2e9
    longer = record_pictures(tmp_path, 2, ["wrist"], [1.0, 2.0])
    os.utime(longer, (2.1e9, 2.1e9))
    assert len(frames(make_video(tmp_path, 2))) > RATE_HZ
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "episode_0002.mcap",
        "episode_0002.mp4",
        "episode_0002_2.mcap",
    ]


@pytest.mark.parametrize(
    ("episode", "sentence"),
    [(9, "episode 9 has no finished recording"), (1, "shows no camera"), (2, "is damaged")],
)
def test_why_there_is_none_is_said(tmp_path: Path, episode: int, sentence: str) -> None:
    record_pictures(tmp_path, 1, [], [0.0])
    damaged = record_pictures(tmp_path, 2, ["wrist"], [0.0, 1.0])
    content = bytearray(damaged.read_bytes())
    content[len(content) // 4] ^= 0xFF
    damaged.write_bytes(bytes(content))
    with pytest.raises(RecordingError, match=sentence):
        make_video(tmp_path, episode)
    assert not list(tmp_path.glob("*.mp4"))


def test_the_command_says_where_it_is_or_why_not(tmp_path: Path) -> None:
    record_pictures(tmp_path, 3, ["wrist"], [0.0, 1.0])

    def made(episode: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tmrl_recorder.video", str(tmp_path), episode]
        return subprocess.run(command, capture_output=True, text=True)

    assert made("3").stdout.strip() == str(tmp_path / "episode_0003.mp4")
    assert made("4").returncode == 1
    assert made("4").stderr.strip() == f"episode 4 has no finished recording in {tmp_path}"
    assert made("three").returncode == 2
