"""Recorded sessions: every episode is a file; the death of recorder or teleop changes nothing."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from tmrl_recorder.file_names import episode_of, finished

from .conftest import FAST, Demo

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

RECORDED = (*FAST, "recorder.images:=none")


def recorded(run_dir: Path) -> tuple[set[int], Counter[str]]:
    """The episodes that have a file, and how many messages of each topic there are."""
    folder = run_dir / "recordings"
    with Reader(folder) as bag:
        topics = Counter(connection.topic for connection, _, _ in bag.messages())
    return {number for path in finished(folder) if (number := episode_of(path))}, topics


def test_every_episode_of_a_session_is_a_file(demo: Demo) -> None:
    demo.start("--episodes", "5", *RECORDED)
    assert demo.finish() == 0, demo.output
    report = demo.report()
    episodes, topics = recorded(demo.run_dir)
    assert episodes >= {2, 3, 4, 5}
    assert topics["/widowx/arm/state"] >= 4 * 20
    assert 0 < topics["/widowx/replay/transitions"] <= report["transitions_stored"]
    assert topics["/widowx/robot_description"] == len(finished(demo.run_dir / "recordings"))
    assert not list((demo.run_dir / "recordings").glob("*.part"))


def test_kills_and_freezes_of_the_recorder_change_no_transition(demo: Demo) -> None:
    demo.start("--episodes", "25", *RECORDED)
    for episodes in (2, 6):
        demo.wait_for_episodes(episodes)
        demo.part("recorder").send_signal(signal.SIGKILL)
    demo.wait_for_episodes(10)
    demo.part("recorder").send_signal(signal.SIGSTOP)
    assert demo.finish() == 0, demo.output
    assert demo.output.count("recorder was killed by SIGKILL") == 2
    report = demo.report()
    assert report["outcomes"] == ["success"] * 25
    assert report["transitions_published"] == report["transitions_stored"] >= 25 * 5


def test_kills_of_the_teleop_change_no_transition(demo: Demo) -> None:
    demo.start("--episodes", "15", *FAST, "teleop.device:=joy")
    for episodes in (2, 6):
        demo.wait_for_episodes(episodes)
        demo.part("teleop").send_signal(signal.SIGKILL)
    assert demo.finish() == 0, demo.output
    assert demo.output.count("teleop was killed by SIGKILL") == 2
    report = demo.report()
    assert report["outcomes"] == ["success"] * 15
    assert report["transitions_published"] == report["transitions_stored"] >= 15 * 5
