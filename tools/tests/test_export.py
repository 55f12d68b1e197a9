"""A run as a LeRobot data set, read back row by row and picture by picture by the learner."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.testing.waiting import wait_until
from tmrl_common.types import Outcome
from tmrl_learner.pi0.lerobot.columns import ColumnLayout
from tmrl_learner.pi0.lerobot.episodes import read_episodes, read_tasks
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.frames import Frames
from tmrl_learner.pi0.lerobot.info import read_info
from tmrl_learner.pi0.lerobot.rows import iterate_rows
from tmrl_run.errors import RunError
from tmrl_run.lerobot.cli import main
from tmrl_run.testing import (
    CAMERAS,
    RATE_HZ,
    SIDE_PX,
    STEPS,
    SmallRun,
    brightness,
    object_m,
    position_m,
    write_small_run,
)

COLUMNS = {name: f"observation.images.{name}" for name in CAMERAS}
LAYOUT = ColumnLayout("observation.state", "action", "overview=observation.images.overview")


def read_back(root: Path, cameras: dict[str, str] = COLUMNS) -> list[int]:
    """Reads and checks every row and picture; the episodes of the run that are in the data set."""
    info = read_info(root)
    episodes = read_episodes(info, list(cameras.values()))
    tasks, frames = read_tasks(info), Frames(info)
    numbers = [int(row["run_episode"]) for path in _lists(root) for row in _rows(path)]
    assert info.fps_hz == RATE_HZ
    for number, (episode, rows) in zip(
        numbers, iterate_rows(episodes, LAYOUT, RATE_HZ, lambda *_: True), strict=True
    ):
        assert rows is not None
        for row in range(episode.rows):
            assert rows.state[row] == pytest.approx([position_m(number, row), 0.0, 0.5])
            assert rows.actions[row] == pytest.approx([number + 0.01 * row] * 7)
            assert tasks[int(rows.task[row])] == "put the carrot in the pot"
            for column in cameras.values():
                pixels = frames.read(episode, column, row, float(rows.time_s[row]))
                assert pixels.shape == (SIDE_PX, SIDE_PX, 3)
                assert abs(pixels.astype(int) - brightness(number, row)).max() <= 6
    return numbers


def _lists(root: Path) -> list[Path]:
    return sorted((root / "meta/episodes").glob("*/*.parquet"))


def _rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def test_what_was_done_and_seen_is_read_back(tmp_path: Path) -> None:
    run, out = write_small_run(tmp_path / "run"), tmp_path / "set"

    assert main(["lerobot", str(run), str(out)]) == 0

    assert read_back(out) == [1, 2], "the third is discarded"
    table = pq.read_table(out / "data/chunk-000/file-001.parquet").to_pydict()
    count = 4 * STEPS
    assert table["sigma"] == pytest.approx(np.repeat([0.2, 0.0, 0.3, 0.35], STEPS).tolist())
    assert table["driver"] == [0] * STEPS + [1] * STEPS + [0] * 2 * STEPS
    assert table["outcome"] == [int(Outcome.TIMEOUT)] * count
    assert table["index"] == list(range(count, 2 * count))
    assert table["stamp_s"][1] - table["stamp_s"][0] == pytest.approx(1 / RATE_HZ)


def test_a_step_that_the_end_of_the_episode_cut_short_has_what_was_seen_before_it(
    tmp_path: Path,
) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(early_end=True))
    main(["lerobot", str(run), str(tmp_path / "set")])
    assert read_back(tmp_path / "set") == [1, 2]


def test_the_meta_data_say_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "set"
    main(["lerobot", str(write_small_run(tmp_path / "run")), str(out)])
    info = read_info(out)
    assert info.version == "v3.0"
    assert info.features["observation.state"]["names"] == ["tool_x", "tool_y", "gripper_opening"]
    assert info.features["observation.images.wrist"]["shape"] == [SIDE_PX, SIDE_PX, 3]
    (first, second) = (_rows(path)[0] for path in _lists(out))
    assert (first["outcome"], second["outcome"]) == ("success", "timeout")
    assert second["dataset_from_index"] == first["dataset_to_index"] == 4 * STEPS
    columns = [pq.read_table(p) for p in sorted((out / "data").glob("*/*.parquet"))]
    actions = np.concatenate([np.array(t.column("action").to_pylist()) for t in columns])
    schema = pq.read_schema(out / "meta/tasks.parquet")
    assert json.loads(schema.metadata[b"pandas"])["index_columns"] == ["task"], "LeRobot needs it"
    statistics = json.loads((out / "meta/stats.json").read_text())["action"]
    assert statistics["mean"] == pytest.approx(actions.mean(axis=0).tolist())
    assert statistics["std"] == pytest.approx(actions.std(axis=0).tolist())
    assert statistics["min"] == pytest.approx(actions.min(axis=0).tolist())
    assert statistics["count"] == [len(actions)]


class Interrupted(BaseException):
    """As a kill between two steps of the disk."""


def test_an_export_that_is_cut_between_any_two_files_leaves_whole_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(outcomes=(Outcome.SUCCESS,) * 3, chunks=2))
    rename, done, found = Path.replace, 0, []

    def replace_until(last: int) -> None:
        calls = 0

        def replace(self: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls > last:
                raise Interrupted
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", replace)

    for last in range(100):
        out = tmp_path / f"set{last}"
        replace_until(last)
        try:
            main(["lerobot", str(run), str(out)])
            done = last
        except Interrupted:
            pass
        monkeypatch.setattr(Path, "replace", rename)
        if not (out / "meta/info.json").exists():
            found.append([])
            continue
        found.append(read_back(out))
        if done:
            break
    assert done
    assert found[-1] == [1, 2, 3]
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in found)
    assert {len(numbers) for numbers in found} == {0, 1, 2, 3}


def test_an_export_that_is_killed_leaves_a_readable_set(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(outcomes=(Outcome.SUCCESS,) * 40, chunks=3))
    out = tmp_path / "set"
    command = [sys.executable, "-m", "tmrl_cli.cli", "export", "lerobot", str(run), str(out)]
    with subprocess.Popen(command) as process:
        wait_until(lambda: len(_lists(out)) > 2, "some episodes", 60.0)
        process.send_signal(signal.SIGKILL)
    numbers = read_back(out)
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_what_the_policy_knows_of_the_scene_is_in_the_data_set(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(objects=("carrot", "sausage"), chunks=2))
    main(["lerobot", str(run), str(tmp_path / "set")])
    feature = read_info(tmp_path / "set").features["observation.environment_state"]
    assert feature["names"] == ["carrot.x", "sausage.x"]
    table = pq.read_table(tmp_path / "set/data/chunk-000/file-001.parquet").to_pydict()
    expected = [[object_m(2, row, place) for place in (0, 1)] for row in range(2 * STEPS)]
    assert np.array(table["observation.environment_state"]) == pytest.approx(np.array(expected))


def test_an_episode_without_the_objects_that_the_policy_is_given_is_left_out(
    tmp_path: Path,
) -> None:
    run = write_small_run(tmp_path / "run")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["agent"]["context_objects"] = ["carrot.x"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RunError, match="nothing of perception/objects before its first step"):
        main(["lerobot", str(run), str(tmp_path / "set")])


def test_a_camera_can_be_left_out(tmp_path: Path) -> None:
    run, out = write_small_run(tmp_path / "run"), tmp_path / "set"
    main(["lerobot", str(run), str(out), "--cameras", "wrist"])
    assert read_back(out, {"wrist": COLUMNS["wrist"]}) == [1, 2]
    with pytest.raises(DatasetError, match="has no column"):
        read_info(out).dtype(COLUMNS["overview"])


def test_episodes_without_a_recording_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = write_small_run(tmp_path / "run"), tmp_path / "set"
    next((run / "recordings").glob("episode_0001*")).unlink()
    assert main(["lerobot", str(run), str(out)]) == 1
    assert "episode 1 is left out: it was not recorded" in capsys.readouterr().err
    assert read_back(out) == [2]


@pytest.mark.parametrize(
    ("what", "arguments", "sentence"),
    [
        (SmallRun(prompt=""), [], 'name one with --task "..."'),
        (SmallRun(recorded=False), [], "it was not recorded"),
        (SmallRun(outcomes=(Outcome.DISCARDED,)), [], "no episode that is labelled and not"),
        (SmallRun(), ["--cameras", "left"], "no camera left"),
    ],
)
def test_what_cannot_be_exported_is_said(
    tmp_path: Path, what: SmallRun, arguments: list[str], sentence: str
) -> None:
    run = write_small_run(tmp_path / "run", what)
    with pytest.raises(RunError, match=sentence):
        main(["lerobot", str(run), str(tmp_path / "set"), *arguments])


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    with pytest.raises(RunError, match="is there already"):
        main(["lerobot", str(run), str(run)])


@pytest.mark.parametrize("name", ["config.yaml", "journal.sqlite"])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, name: str) -> None:
    run = write_small_run(tmp_path / "run")
    os.unlink(run / name)
    with pytest.raises(RunError, match=f"has no {name}"):
        main(["lerobot", str(run), str(tmp_path / "set")])


def test_a_damaged_recording_costs_its_episode(tmp_path: Path) -> None:
    run, out = write_small_run(tmp_path / "run"), tmp_path / "set"
    path = next((run / "recordings").glob("episode_0001*"))
    content = bytearray(path.read_bytes())
    content[2000:2200] = bytes(200)
    path.write_bytes(content)
    assert main(["lerobot", str(run), str(out)]) == 1
    assert read_back(out) == [2]


def test_the_run_may_have_been_renamed(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    shutil.move(run, tmp_path / "elsewhere")
    assert main(["lerobot", str(tmp_path / "elsewhere"), str(tmp_path / "set")]) == 0
