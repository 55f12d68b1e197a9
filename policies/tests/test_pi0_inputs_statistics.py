"""Normalisation statistics: read and written in openpi's format, counted in one pass."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs.rigs import BRIDGE, DROID, Scale
from tmrl_policies.pi0.inputs.running_statistics import RunningStatistics
from tmrl_policies.pi0.inputs.statistics import (
    RobotStatistics,
    Statistics,
    find_statistics,
    read_statistics,
    write_statistics,
)
from tmrl_policies.pi0.inputs.testing import edit_json, make_statistics


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Statistics of the bridge rig in a checkpoint's folder."""
    return write_statistics(tmp_path, "bridge", make_statistics(BRIDGE))


def test_what_is_written_is_read_back(file):
    read = read_statistics(file, BRIDGE, 32, Scale.MEAN_STD)
    written = make_statistics(BRIDGE)
    for one, other in ((read.state, written.state), (read.actions, written.actions)):
        for name, values in one.parts().items():
            assert np.array_equal(values, other.parts()[name])


def test_the_file_has_openpis_layout(file):
    content = json.loads(file.read_text())
    assert file.parts[-3:] == ("assets", "bridge", "norm_stats.json")
    assert set(content) == {"norm_stats"}
    assert set(content["norm_stats"]) == {"state", "actions"}
    assert set(content["norm_stats"]["state"]) == {"mean", "std", "q01", "q99"}


def test_statistics_padded_to_the_networks_width_are_cut_to_the_rigs_columns(tmp_path):
    # openpi pads before counting: the padding has mean and deviation 0.
    padded = {"mean": [0.5] * 8 + [0.0] * 24, "std": [2.0] * 8 + [0.0] * 24, "q01": None}
    path = tmp_path / "norm_stats.json"
    path.write_text(json.dumps({"norm_stats": {"state": padded, "actions": padded}}))
    read = read_statistics(path, DROID, 32, Scale.MEAN_STD)
    assert read.state.dim == 8
    assert read.actions.q01 is None


def test_the_hash_changes_with_any_number_and_with_the_scale(file):
    read = read_statistics(file, BRIDGE, 32, Scale.MEAN_STD)
    first = read.content_hash(Scale.MEAN_STD)
    assert first == make_statistics(BRIDGE).content_hash(Scale.MEAN_STD)
    assert first != read.content_hash(Scale.QUANTILE)
    read.actions.mean[3] = np.nextafter(read.actions.mean[3], 1.0)
    assert first != read.content_hash(Scale.MEAN_STD)


def test_statistics_of_another_rig_are_refused(file):
    with pytest.raises(CheckpointError, match=r"shape \(7,\); rig 'droid' has 8.*asset_id"):
        read_statistics(file, DROID, 32, Scale.MEAN_STD)


@pytest.mark.parametrize(
    ("part", "value", "scale", "sentence"),
    [
        ("mean", float("nan"), Scale.MEAN_STD, "mean of column 2 is nan; it must be a finite"),
        ("q99", float("inf"), Scale.QUANTILE, "q99 of column 2 is inf; it must be a finite"),
        ("std", 0.0, Scale.MEAN_STD, "std of column 2 is 0.0; it must be above 0"),
        ("std", -1.0, Scale.MEAN_STD, "std of column 2 is -1.0; it must be at least 0"),
        ("q99", -1e9, Scale.QUANTILE, "q99 of column 2 is -1000000000.0; it must be at least q01"),
    ],
)
def test_numbers_that_cannot_scale_are_refused_where_they_scale(file, part, value, scale, sentence):
    content = json.loads(file.read_text())
    content["norm_stats"]["actions"][part][2] = value
    file.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=f"actions: {sentence}.*Compute the statistics"):
        read_statistics(file, BRIDGE, 32, scale)
    other = Scale.QUANTILE if scale is Scale.MEAN_STD else Scale.MEAN_STD
    assert read_statistics(file, BRIDGE, 32, other).actions.dim == 7


def test_equal_quantiles_of_a_column_that_varies_are_refused_and_those_of_a_constant_taken(file):
    content = json.loads(file.read_text())
    actions = content["norm_stats"]["actions"]
    actions["q99"][2] = actions["q01"][2]
    file.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"actions: q99 of column 2 .* the column varies"):
        read_statistics(file, BRIDGE, 32, Scale.QUANTILE)
    assert read_statistics(file, BRIDGE, 32, Scale.MEAN_STD).actions.dim == 7
    # What openpi's sums in float32 leave of a constant.
    actions["std"][2] = 2e-4
    file.write_text(json.dumps(content))
    assert read_statistics(file, BRIDGE, 32, Scale.QUANTILE).actions.held().tolist() == [
        column == 2 for column in range(7)
    ]


def test_absent_quantiles_are_refused_with_the_file_and_the_remedy(file):
    for part in ("q01", "q99"):
        edit_json(file, "norm_stats", "state", part, value=None)
    with pytest.raises(CheckpointError, match=r"norm_stats.json, state: .*\./tmrl pi0-statistics"):
        read_statistics(file, BRIDGE, 32, Scale.QUANTILE)
    assert read_statistics(file, BRIDGE, 32, Scale.MEAN_STD).state.dim == 7


@pytest.mark.parametrize(
    ("keys", "value", "sentence"),
    [
        (("norm_stats",), [], "no 'norm_stats'"),
        (("norm_stats", "actions"), None, "actions: there are no 'mean' and 'std'"),
        (("norm_stats", "state", "mean"), "much", r"state\.mean is not a list of numbers"),
        (("norm_stats", "state", "mean"), [[0.0] * 7], r"state\.mean has shape \(1, 7\)"),
    ],
)
def test_other_layouts_are_refused(file, keys, value, sentence):
    edit_json(file, *keys, value=value)
    with pytest.raises(CheckpointError, match=sentence):
        read_statistics(file, BRIDGE, 32, Scale.MEAN_STD)


def test_a_truncated_file_is_refused(file):
    file.write_text(file.read_text()[:100])
    with pytest.raises(CheckpointError, match=r"not valid JSON.*copy it again"):
        read_statistics(file, BRIDGE, 32, Scale.MEAN_STD)


def test_the_only_statistics_need_no_name_and_one_of_several_does(tmp_path, file):
    assert find_statistics(tmp_path) == file
    nested = write_statistics(tmp_path, "lab/own", make_statistics(BRIDGE))
    with pytest.raises(CheckpointError, match="set asset_id to one of: 'bridge', 'lab/own'"):
        find_statistics(tmp_path)
    assert find_statistics(tmp_path, "lab/own") == nested
    with pytest.raises(CheckpointError, match="no asset 'lab'; set asset_id to one of: 'bridge'"):
        find_statistics(tmp_path, "lab")


def test_linked_assets_and_statistics_beside_the_weights_are_found(tmp_path, file):
    linked, flat = tmp_path / "linked", tmp_path / "flat"
    (linked / "assets").mkdir(parents=True)
    (linked / "assets" / "bridge").symlink_to(file.parent)
    assert find_statistics(linked).read_bytes() == file.read_bytes()
    flat.mkdir()
    (flat / "norm_stats.json").write_bytes(file.read_bytes())
    assert find_statistics(flat) == flat / "norm_stats.json"


def test_absent_statistics_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no normalisation statistics"):
        find_statistics(tmp_path)


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    offset=st.floats(-1e3, 1e3),
    spread=st.floats(1e-2, 1e3),
)
@settings(max_examples=60)
def test_one_pass_counts_what_the_whole_data_hold(sizes, seed, offset, spread):
    generator = np.random.default_rng(seed)
    batches = [
        offset + spread * generator.normal(size=(size, 2)) * generator.uniform(0.1, 10.0)
        for size in [*sizes, 5]
    ]
    running = RunningStatistics(2)
    for batch in batches:
        running.update(batch)
    counted, data = running.finish(), np.concatenate(batches)
    np.testing.assert_allclose(counted.mean, data.mean(axis=0), atol=1e-9 * (spread + abs(offset)))
    np.testing.assert_allclose(counted.std, data.std(axis=0), rtol=1e-6)
    assert counted.q01 is not None
    assert counted.q99 is not None
    bin_width = np.ptp(data, axis=0) / 2048
    for fraction, found in ((0.01, counted.q01), (0.99, counted.q99)):
        # Within a bin of the value below which that share lies, whatever the gaps around it.
        below = np.quantile(data, fraction, axis=0, method="inverted_cdf")
        assert (np.abs(found - below) <= bin_width).all()


def test_a_column_that_never_varies_maps_to_zero_and_not_to_infinity():
    running = RunningStatistics(2)
    running.update(np.array([[0.25, 1.0], [0.25, 2.0], [0.25, 3.0]]))
    counted = running.finish()
    assert counted.std[0] == 1.0
    assert counted.q01 is not None
    assert counted.q99 is not None
    assert (counted.q01[0], counted.q99[0]) == (-0.75, 1.25)


def test_a_column_that_seldom_varies_is_scaled_by_its_extremes():
    # A gripper that is closed in 5 of 1000 steps: both quantiles are "open".
    column = np.ones((1000, 1))
    column[::200] = 0.0
    running = RunningStatistics(1)
    running.update(column)
    counted = running.finish()
    assert counted.q01 is not None
    assert counted.q99 is not None
    assert (counted.q01[0], counted.q99[0]) == (0.0, 1.0)


def test_rows_that_are_not_numbers_or_of_another_length_are_refused():
    running = RunningStatistics(2)
    with pytest.raises(ValueError, match="column 1 of row 0 is nan"):
        running.update(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match=r"shape \(1, 3\); they must be \(N, 2\)"):
        running.update(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="0 vectors were counted"):
        running.finish()


def test_what_was_counted_can_be_written_and_read(tmp_path):
    generator = np.random.default_rng(0)
    counted: list[Statistics] = []
    for dim in (BRIDGE.state_dim, BRIDGE.action_dim):
        running = RunningStatistics(dim)
        running.update(generator.normal(size=(100, dim)))
        counted.append(running.finish())
    path = write_statistics(tmp_path, "bridge", RobotStatistics(*counted))
    assert read_statistics(path, BRIDGE, 32, Scale.QUANTILE).state.dim == 7
