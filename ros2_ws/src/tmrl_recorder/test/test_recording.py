"""What goes into which file, a disk that fills up or refuses, and what a late start knows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_recorder import episode_file
from tmrl_recorder.bag_metadata import FILE_NAME
from tmrl_recorder.file_names import episode_of, finished
from tmrl_recorder.params import RecorderConfig
from tmrl_recorder.recording import Outside, Recording
from tmrl_recorder.sample import EpisodeSeen, Sample
from tmrl_recorder.testing import TOPIC, definition, number_of, numbered

GB = 10**9


class Bench:
    """A recording with a clock and a disk of the test's."""

    def __init__(self, folder: Path, convert: Callable[[Sample], Sample | None] | None = None):
        self.folder = folder
        self.clock = FakeClock()
        self.free_bytes = 100 * GB
        self.numbers = 0
        self._convert = convert or (lambda sample: sample)
        self.recording = self.start()

    def start(self) -> Recording:
        config = RecorderConfig(robot="widowx", session="s", run_dir=str(self.folder.parent))
        outside = Outside(self.clock, lambda: self.free_bytes, definition, self._convert)
        self.recording = Recording(self.folder, config, outside)
        return self.recording

    def run(self, episode: int) -> None:
        self.recording.see(EpisodeSeen(episode, lasts=True))

    def end(self, episode: int) -> None:
        self.recording.see(EpisodeSeen(episode, lasts=False))

    def send(self, count: int = 1, **fields) -> None:
        for _ in range(count):
            self.numbers += 1
            self.recording.take(numbered(self.numbers, 1000 + self.numbers, **fields))

    def pass_s(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.recording.tick()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return Bench(folder)


def numbers_in(path: Path) -> list[int]:
    with path.open("rb") as stream:
        return [number_of(message.data) for _, _, message in make_reader(stream).iter_messages()]


def names(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.folder.iterdir() if path.name != FILE_NAME)


def test_each_episode_has_a_file_with_its_tail(bench: Bench) -> None:
    bench.send(5)
    bench.run(1)
    bench.send(3)
    bench.end(1)
    bench.pass_s(1.0)
    bench.send(2)
    bench.pass_s(1.5)
    bench.send(4)
    bench.run(2)
    bench.send(1)
    bench.recording.close()

    assert names(bench) == ["episode_0001.mcap", "episode_0002.mcap"]
    assert numbers_in(bench.folder / "episode_0001.mcap") == [6, 7, 8, 9, 10]
    assert numbers_in(bench.folder / "episode_0002.mcap") == [15]
    assert [episode_of(path) for path in finished(bench.folder)] == [1, 2]


def test_an_episode_that_follows_at_once_cuts_the_tail(bench: Bench) -> None:
    bench.run(1)
    bench.send(2)
    bench.end(1)
    bench.send(1)
    bench.run(2)
    bench.send(1)
    bench.run(3)
    bench.send(1)
    bench.recording.close()

    found = [numbers_in(bench.folder / f"episode_000{n}.mcap") for n in (1, 2, 3)]
    assert found == [[1, 2, 3], [4], [5]]


def test_what_was_latched_before_an_episode_begins_each_file(bench: Bench) -> None:
    bench.send(1, topic="/widowx/robot_description", latched=True)
    for episode in (1, 2):
        bench.run(episode)
        bench.send(1)
    bench.recording.close()

    assert numbers_in(bench.folder / "episode_0001.mcap") == [1, 2]
    assert numbers_in(bench.folder / "episode_0002.mcap") == [1, 3]


def test_an_episode_begins_with_the_newest_state_of_before(bench: Bench) -> None:
    bench.send(2, topic="/widowx/arm/state", kind="tmrl_msgs/msg/ArmState")
    bench.send(1, topic="/widowx/policy/chunk", kind="tmrl_msgs/msg/ActionChunk")
    bench.run(1)
    bench.send(1)
    bench.recording.close()

    path = bench.folder / "episode_0001.mcap"
    assert numbers_in(path) == [2, 4], "no event of before"
    with path.open("rb") as stream:
        times = [(m.log_time, m.publish_time) for _, _, m in make_reader(stream).iter_messages()]
    assert times == [(1003, 1002), (1004, 1004)], "begins now, was sent then"


def test_rosbag2_opens_the_folder_as_one_bag(bench: Bench) -> None:
    bench.send(1, topic="/widowx/status", latched=True)
    for episode in (1, 2):
        bench.run(episode)
        bench.send(1000)
    bench.recording.close()

    with Reader(bench.folder) as bag:
        assert bag.message_count == 2002
        found = [number_of(bytes(data)) for _, _, data in bag.messages()]
        kinds = {c.topic: c.msgtype for c in bag.connections}
    assert sorted(found) == sorted([1, 1, *range(2, 2002)])
    assert kinds == {TOPIC: "std_msgs/msg/UInt64", "/widowx/status": "std_msgs/msg/UInt64"}
    text = (bench.folder / FILE_NAME).read_text()
    described = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert described["relative_file_paths"] == ["episode_0001.mcap", "episode_0002.mcap"]
    profiles = {
        t["topic_metadata"]["name"]: t["topic_metadata"]["offered_qos_profiles"][0]["durability"]
        for t in described["topics_with_message_count"]
    }
    assert profiles == {TOPIC: "volatile", "/widowx/status": "transient_local"}


def test_the_index_knows_earlier_files_after_a_restart(bench: Bench) -> None:
    bench.run(1)
    bench.send(3)
    bench.recording.close()
    bench.start()
    bench.run(1)
    bench.send(2)
    bench.recording.close()

    assert names(bench) == ["episode_0001.mcap", "episode_0001_2.mcap"]
    with Reader(bench.folder) as bag:
        assert bag.message_count == 5


def test_a_disk_that_fills_up_ends_the_file_and_says_so(bench: Bench) -> None:
    bench.run(1)
    bench.send(3)
    bench.free_bytes = 1 * GB
    bench.pass_s(1.0)
    bench.send(5)

    assert "1.0 GB of free space, and min_free_gb is 2" in bench.recording.problem
    assert [s for s in bench.recording.take_news() if "the session continues" in s]
    assert numbers_in(bench.folder / "episode_0001.mcap") == [1, 2, 3]

    bench.end(1)
    bench.run(2)
    bench.send(1)
    assert bench.recording.problem
    assert bench.recording.take_news() == [], "said once"

    bench.free_bytes = 50 * GB
    bench.end(2)
    bench.run(3)
    bench.send(1)
    bench.recording.close()
    assert bench.recording.problem == ""
    assert names(bench) == ["episode_0001.mcap", "episode_0003.mcap"]


def test_a_disk_that_refuses_costs_the_rest_of_one_recording(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(1)
    bench.send(10)
    bench.pass_s(1.0)

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(episode_file.os, "fsync", refuse)
        bench.send(1)
        bench.pass_s(1.0)
    bench.send(5)

    assert "the disk is full" in bench.recording.problem
    bench.end(1)
    bench.run(2)
    bench.send(1)
    bench.recording.close()
    assert bench.recording.problem == ""
    assert "episode_0001.mcap.part" in names(bench)

    news = bench.start().take_news()
    assert any("episode_0001.mcap: recovered" in sentence for sentence in news)
    assert numbers_in(bench.folder / "episode_0001.mcap")[:10] == list(range(1, 11))


def test_a_folder_that_is_gone_ends_nothing(bench: Bench) -> None:
    bench.run(1)
    bench.recording.close()
    for path in bench.folder.iterdir():
        path.unlink()
    bench.folder.rmdir()
    bench.end(1)
    bench.run(2)
    bench.send(3)
    assert bench.recording.problem
    bench.recording.close()


def test_what_cannot_be_converted_is_left_out_and_named_once(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    bench = Bench(folder, convert=lambda s: None if "depth" in s.topic else s)
    bench.run(1)
    bench.send(3, topic="/widowx/camera/wrist/depth")
    bench.send(1)
    bench.recording.close()

    assert len([s for s in bench.recording.news if "camera/wrist/depth is left out" in s]) == 1
    assert numbers_in(folder / "episode_0001.mcap") == [4]
