"""Files that were cut: by real kills, and byte by byte."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_recorder.bag_metadata import BagMetadata
from tmrl_recorder.episode_file import EpisodeFile
from tmrl_recorder.params import RecorderConfig
from tmrl_recorder.recording import Outside, Recording
from tmrl_recorder.recovery import recover
from tmrl_recorder.testing import definition, number_of, numbered

KILLS = 20
LOST_S = 1.0


def read(folder: Path) -> list[int]:
    """The numbers that an independent reader finds."""
    with Reader(folder) as bag:
        return [number_of(bytes(data)) for _, _, data in bag.messages()]


def restarted(folder: Path) -> Recording:
    config = RecorderConfig(robot="widowx", session="s", run_dir=str(folder.parent))
    return Recording(folder, config, Outside(FakeClock(), lambda: 10**12, definition, lambda s: s))


def killed_after(folder: Path, lines: int) -> list[tuple[int, int]]:
    """Number and time of everything that a recording process was given before it was killed."""
    command = [sys.executable, "-m", "tmrl_recorder.testing", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    pairs = [line.split() for line in said if line.endswith("\n")]
    return [(int(number), int(time_ns)) for number, time_ns in pairs]


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_kill_costs_at_most_a_second(tmp_path: Path, kill: int) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    given = killed_after(folder, random.Random(kill).randint(300, 2500))

    news = restarted(folder).take_news()

    assert not list(folder.glob("*.part"))
    found = read(folder) if news else []
    assert found == list(range(1, len(found) + 1)), "without a gap, from the first"
    lost = given[len(found) :]
    span_s = (lost[-1][1] - lost[0][1]) * 1e-9 if lost else 0.0
    assert span_s <= LOST_S, f"{len(lost)} of {len(given)} messages, {span_s:.2f} s"


def written(folder: Path, count: int) -> Path:
    """A part that was never finished."""
    folder.mkdir()
    file = EpisodeFile(folder / "episode_0001.mcap", definition)
    for number in range(1, count + 1):
        file.write(numbered(number, number))
        if number % 100 == 0:
            file.sync()
    file.sync()
    file.abandon()
    return file.part


@pytest.mark.parametrize("seed", range(40))
def test_a_file_cut_or_damaged_anywhere_is_readable_up_to_there(tmp_path: Path, seed: int) -> None:
    part = written(tmp_path / "recordings", 1000)
    content = bytearray(part.read_bytes())
    draw = random.Random(seed)
    whole = len(content)
    at = draw.randrange(whole)
    if seed % 2:
        content = content[:at]
    else:
        content[at : at + 40] = draw.randbytes(min(40, len(content) - at))
    part.write_bytes(content)

    (found,) = recover(part.parent)
    BagMetadata(part.parent).write()

    assert not part.exists()
    if found.path is None:
        assert at < whole // 5, "less than the first chunk is left"
    else:
        numbers = read(part.parent)
        assert numbers == list(range(1, len(numbers) + 1))
        assert found.messages == len(numbers) >= int(1000 * at / whole) - 200


def test_an_empty_file_is_no_recording(tmp_path: Path) -> None:
    part = tmp_path / "episode_0001.mcap.part"
    part.touch()
    assert [found.path for found in recover(tmp_path)] == [None]
    assert not list(tmp_path.iterdir())


def test_a_recovery_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    part = written(tmp_path / "recordings", 500)
    (part.parent / "episode_0001.mcap.recovering").write_bytes(b"half")
    (found,) = recover(part.parent)
    assert found.messages == 500
    assert [path.name for path in part.parent.iterdir()] == ["episode_0001.mcap"]


def test_a_part_beside_its_finished_file_is_not_recovered_twice(tmp_path: Path) -> None:
    part = written(tmp_path / "recordings", 500)
    copy = part.read_bytes()
    recover(part.parent)
    part.write_bytes(copy)
    recover(part.parent)
    BagMetadata(part.parent).write()
    assert len(read(part.parent)) == 500


def test_a_folder_without_recordings_has_an_empty_index(tmp_path: Path) -> None:
    BagMetadata(tmp_path).write()
    assert "files: []" in (tmp_path / "metadata.yaml").read_text()
