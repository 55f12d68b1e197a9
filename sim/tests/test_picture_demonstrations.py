"""Demonstrations with pictures: of the right instants, resumed where they were interrupted."""

import numpy as np
import pytest

from tmrl_cell import picture_demonstrations
from tmrl_cell.cameras import CAMERAS
from tmrl_cell.cell import WidowXCell
from tmrl_cell.demonstrations import generate
from tmrl_cell.layouts import HOME_TOOL_POSITION_M, Layout
from tmrl_cell.picture_demonstrations import record

SIZE_PX = 64
LAYOUT = Layout(carrot_xy_m=(0.22, 0.17), sausage_xy_m=(0.30, 0.0))


@pytest.fixture
def cell():
    cell = WidowXCell()
    yield cell
    cell.close()


def test_they_are_the_usual_demonstrations_and_continue_after_an_interruption(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(picture_demonstrations, "SHARD_EPISODES", 1)
    record(tmp_path, 1, 3, CAMERAS, SIZE_PX)
    (first,) = tmp_path.glob("*.npz")
    written = first.stat().st_mtime_ns
    found = record(tmp_path, 2, 3, CAMERAS, SIZE_PX)
    assert first.stat().st_mtime_ns == written, "what was recorded is not recorded again"

    usual = generate(2, seed=3)
    for name in ("proprio", "context", "actions", "episode_starts", "episode_lengths"):
        np.testing.assert_array_equal(getattr(found.steps, name), getattr(usual, name))
    for camera in CAMERAS:
        assert found.pictures[camera].shape == (len(usual.actions), SIZE_PX, SIZE_PX, 3)
        assert found.places[camera].shape == (len(usual.actions), 2, 3)


def test_objects_are_in_the_picture_where_it_is_said(cell):
    cell.reset(LAYOUT)
    (carrot, _), size_px = cell.places_in_picture("overview"), 128
    picture = cell.render("overview", size_px, size_px).astype(int)
    orange = (picture[..., 0] > 180) & (picture[..., 1] > 80) & (picture[..., 2] < 90)
    rows, columns = np.nonzero(orange)
    seen = np.array((columns.mean(), rows.mean())) / (size_px - 1) * 2.0 - 1.0
    np.testing.assert_allclose(carrot[:2], seen, atol=0.04)
    assert carrot[2] == 1.0


def test_what_the_wrist_does_not_see_is_said_to_be_outside(cell):
    over_the_sausage = (0.30, 0.0, HOME_TOOL_POSITION_M[2])
    cell.reset(Layout((0.19, 0.20), LAYOUT.sausage_xy_m, tool_position_m=over_the_sausage))
    carrot, sausage = cell.places_in_picture("wrist")
    assert (carrot[2], sausage[2]) == (0.0, 1.0)


def test_no_episodes_are_no_demonstrations(tmp_path):
    with pytest.raises(ValueError, match="episodes is 0; ask for at least 1"):
        record(tmp_path, 0, 0, CAMERAS, SIZE_PX)
