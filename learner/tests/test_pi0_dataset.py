"""Reading LeRobot data sets: both layouts, images in tables and videos, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tmrl_common.errors import ConfigError
from tmrl_learner.pi0.demonstrations import open_demonstrations
from tmrl_learner.pi0.lerobot.columns import LAYOUTS, ColumnLayout, column_parts
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.samples import ChunkSamples
from tmrl_learner.pi0.statistics import compute_statistics
from tmrl_learner.pi0.testing import (
    CAMERA_COLUMN,
    COLOURS,
    PROMPTS,
    SmallDataset,
    write_small_dataset,
)
from tmrl_policies.pi0.inputs.rigs import BRIDGE, CSPI0_BRIDGE_RELATIVE, DROID

EVERY_KIND = [
    SmallDataset(version=version, video=video)
    for version in ("v2.1", "v3.0")
    for video in (False, True)
]


def samples_of(root: Path, horizon: int = 8) -> ChunkSamples:
    return ChunkSamples(open_demonstrations(root, LAYOUTS["bridge"], BRIDGE), horizon, quiet=True)


@pytest.mark.parametrize("what", EVERY_KIND, ids=lambda w: f"{w.version}, video={w.video}")
def test_every_row_comes_with_its_own_image_and_instruction(
    what: SmallDataset, tmp_path: Path
) -> None:
    samples = samples_of(write_small_dataset(tmp_path, what))
    rows = [(episode, row) for episode, length in enumerate(what.lengths) for row in range(length)]
    assert len(samples) == len(rows)
    # In no order, as training reads them.
    for index in np.random.default_rng(0).permutation(len(rows)):
        episode, row = rows[index]
        sample = samples[int(index)]
        image = sample.images["overview"].astype(int)
        assert sample.prompt == PROMPTS[episode % 2]
        # Videos lose a little; neighbouring rows are 12 apart in the corner.
        assert np.abs(image[16:, 16:] - COLOURS[episode % 2]).max() <= 12
        assert abs(image[2:6, 2:6].mean() - min(255, 12 * row)) < 6


def test_all_kinds_of_data_set_hold_the_same_numbers(tmp_path: Path) -> None:
    hashes = {
        samples_of(write_small_dataset(tmp_path / str(number), what)).sha256()
        for number, what in enumerate(EVERY_KIND)
    }
    assert len(hashes) == 1


def test_behind_an_episodes_end_its_last_action_is_repeated_and_marked(tmp_path: Path) -> None:
    samples = samples_of(write_small_dataset(tmp_path, SmallDataset(lengths=(5, 3))), horizon=4)
    sample = samples[3]
    np.testing.assert_array_equal(sample.inside, [True, True, False, False])
    np.testing.assert_array_equal(sample.actions[1:], np.tile(sample.actions[1], (3, 1)))
    # The first row of the next episode has nothing to do with it.
    assert samples[5].prompt == PROMPTS[1]
    assert samples[5].inside.sum() == 3


def test_counting_the_steps_inside_needs_no_reading(tmp_path: Path) -> None:
    samples = samples_of(write_small_dataset(tmp_path, SmallDataset(lengths=(5, 3, 7))), horizon=4)
    indices = list(range(len(samples)))
    assert samples.steps_inside(indices) == sum(int(samples[i].inside.sum()) for i in indices)


def test_statistics_are_those_of_all_rows(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    data = open_demonstrations(root, LAYOUTS["bridge"], BRIDGE)
    statistics = compute_statistics(data, horizon=8, quiet=True)
    rows = [rows for _, rows in data.rows("", quiet=True)]
    state = np.concatenate([each.state for each in rows])
    actions = np.concatenate([each.actions for each in rows])
    np.testing.assert_allclose(statistics.state.mean, state.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(statistics.actions.std, actions.std(axis=0), rtol=1e-5)


def test_relative_actions_have_the_statistics_of_what_is_learned(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    data = open_demonstrations(root, LAYOUTS["bridge"], CSPI0_BRIDGE_RELATIVE)
    statistics = compute_statistics(data, horizon=8, quiet=True)
    samples = ChunkSamples(data, 8, quiet=True)
    chunks = [samples[i].actions[:, :6] - samples[i].state[:6] for i in range(len(samples))]
    np.testing.assert_allclose(
        statistics.actions.mean[:6], np.concatenate(chunks).mean(axis=0), atol=1e-5
    )


def test_a_vector_may_be_put_together_from_parts_of_columns(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    swapped = ColumnLayout(
        "observation.state[3:7]+observation.state[0:3]", "action", f"overview={CAMERA_COLUMN}"
    )
    plain = next(open_demonstrations(root, LAYOUTS["bridge"], BRIDGE).rows("", quiet=True))[1]
    parts = next(open_demonstrations(root, swapped, BRIDGE).rows("", quiet=True))[1]
    np.testing.assert_array_equal(parts.state, np.roll(plain.state, 4, axis=1))


def test_episodes_without_an_instruction_are_left_out(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    lines = [{"task_index": 0, "task": " "}, {"task_index": 1, "task": PROMPTS[1]}]
    (root / "meta/tasks.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert len(samples_of(root)) == 9 + 9


@pytest.mark.parametrize("text", ["a[3:2]", "a++b", "a[1]", ""])
def test_a_layout_that_names_no_column_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no column"):
        column_parts(text)


def spoil_table(root: Path, column: str, values: pa.Array | None) -> None:
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    table = table.remove_column(place)
    if values is not None:
        table = table.add_column(place, column, values)
    pq.write_table(table, path)


def test_a_number_that_is_not_finite_is_named(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    rows = [[0.0] * 7 for _ in range(9)]
    rows[4][2] = float("nan")
    spoil_table(root, "action", pa.array(rows))
    with pytest.raises(DatasetError, match=r"episode_000001.parquet.*'action'.*nan.*row 4"):
        samples_of(root)


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    spoil_table(root, "action", pa.array([[0.0] * 6] * 9))
    with pytest.raises(DatasetError, match=r"shape \(9, 6\).*'bridge' has 7 numbers"):
        samples_of(root)
    spoil_table(root, "action", pa.array([[0.0] * 7] * 8 + [[0.0] * 14]))
    with pytest.raises(DatasetError, match="14 numbers in row 8"):
        samples_of(root)


def test_a_missing_column_gets_the_nearest_name(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    spoil_table(root, "action", None)
    with pytest.raises(DatasetError, match="has no column 'action'"):
        samples_of(root)


def test_a_table_that_is_cut_short_is_named(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    path = root / "data/chunk-000/episode_000002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"episode_000002.parquet is not a whole Parquet"):
        samples_of(root)


def test_a_list_of_episodes_of_other_data_is_refused(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text().replace('"length": 9', '"length": 11'))
    with pytest.raises(DatasetError, match="there are 9 rows"):
        samples_of(root)


def test_a_video_shorter_than_its_episode_is_refused(tmp_path: Path) -> None:
    short = write_small_dataset(tmp_path / "a", SmallDataset(video=True, lengths=(4, 4)))
    root = write_small_dataset(tmp_path / "b", SmallDataset(video=True, lengths=(9, 9)))
    video = f"videos/chunk-000/{CAMERA_COLUMN}/episode_000000.mp4"
    (root / video).write_bytes((short / video).read_bytes())
    samples = samples_of(root)
    assert samples[3].images
    with pytest.raises(DatasetError, match=r"episode_000000.mp4 has no frame.*shorter"):
        samples[8]


@pytest.mark.parametrize(
    ("content", "answer"),
    [(b"", "is empty; copy it again"), (b"no video at all", "is not a whole video")],
)
def test_a_damaged_video_is_refused(content: bytes, answer: str, tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path, SmallDataset(video=True))
    (root / f"videos/chunk-000/{CAMERA_COLUMN}/episode_000000.mp4").write_bytes(content)
    with pytest.raises(DatasetError, match=f"episode_000000.mp4 {answer}"):
        samples_of(root)[0]


def test_the_cameras_of_the_rig_have_to_be_there(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"rig 'droid' needs \['exterior', 'wrist'\]"):
        open_demonstrations(root, LAYOUTS["bridge"], DROID)
    with pytest.raises(DatasetError, match=r"no column 'observation\.images\.exterior_1_left'"):
        open_demonstrations(root, LAYOUTS["droid"], DROID)


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path)
    path = root / "meta/info.json"
    path.write_text(path.read_text().replace("v2.1", "v1.6"))
    with pytest.raises(DatasetError, match=r"codebase_version is 'v1.6'"):
        samples_of(root)
