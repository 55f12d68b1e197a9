"""The plate's task: where it is, when an object lies on it, and what is demonstrated."""

import numpy as np
import pytest

from tmrl_cell.layouts import Layout
from tmrl_cell.observation import holds_something
from tmrl_cell.plate import (
    PLATE_HIGH_M,
    PLATE_LOW_M,
    REACH_M,
    PlateCell,
    PlateLayout,
    downstream_plate_layout,
    pretraining_plate_layout,
)
from tmrl_cell.plate_demonstrations import generate


@pytest.fixture(scope="module")
def cell() -> PlateCell:
    return PlateCell()


def test_an_object_lies_on_the_plate_wherever_that_is(cell: PlateCell) -> None:
    objects = Layout(carrot_xy_m=(0.30, -0.20), sausage_xy_m=(0.25, 0.10))
    for away_m, lies in ((0.0, True), (REACH_M - 0.005, True), (REACH_M + 0.005, False)):
        cell.begin(PlateLayout(objects, (0.30 - away_m, -0.20)))
        assert cell.success("carrot") is lies, away_m
        assert not cell.success("sausage")


def test_the_pot_is_gone(cell: PlateCell) -> None:
    """An object where the pot's wall was lies on the table."""
    on_the_wall = Layout(carrot_xy_m=(0.28, -0.15), sausage_xy_m=(0.25, 0.10))
    cell.begin(PlateLayout(on_the_wall, (0.28, -0.15)))
    assert cell.success("carrot")
    assert cell.object_poses()["carrot"].position_m[2] < 0.02


def test_the_policy_sees_the_objects_four_times_and_the_plate_once(cell: PlateCell) -> None:
    cell.begin(PlateLayout(Layout((0.30, 0.15), (0.25, 0.05)), (0.22, -0.12)))
    seen = cell.policy_sees()
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[:16].reshape(4, 4), [[0.30, 0.15, 0.25, 0.05]] * 4, atol=2e-3)
    np.testing.assert_allclose(seen[16:], (0.22, -0.12), atol=1e-6)


def test_no_object_begins_on_the_plate_and_the_plate_is_all_over_its_box() -> None:
    rng = np.random.default_rng(0)
    for draw in (pretraining_plate_layout, downstream_plate_layout):
        layouts = [draw(rng) for _ in range(300)]
        plates = np.array([each.plate_xy_m for each in layouts])
        box = np.array([PLATE_LOW_M, PLATE_HIGH_M])
        assert (plates >= box[0]).all()
        assert (plates <= box[1]).all()
        assert (np.ptp(plates, axis=0) > 0.95 * np.ptp(box, axis=0)).all()
        for each in layouts:
            for xy_m in (each.objects.carrot_xy_m, each.objects.sausage_xy_m):
                assert np.hypot(*np.subtract(xy_m, each.plate_xy_m)) > REACH_M


def test_the_sausage_is_demonstrated_from_the_hand_alone(cell: PlateCell) -> None:
    """Every demonstration ends on the plate; what begins in the hand is either object."""
    made = generate(8, 0, cell)
    assert len(made.episode_lengths) == 8 + 5
    held = [holds_something(made.proprio[start]) for start in made.episode_starts]
    assert held == [False] * 8 + [True] * 5
    moved = {"carrot": slice(0, 2), "sausage": slice(2, 4)}
    ends = made.episode_starts + made.episode_lengths - 1
    on_plate = {
        name: [
            bool(np.hypot(*(made.context[e, xy] - made.context[e, 16:])) < REACH_M) for e in ends
        ]
        for name, xy in moved.items()
    }
    assert on_plate["carrot"][:8] == [True] * 8
    assert not any(on_plate["sausage"][:8])
    assert all(a != b for a, b in zip(on_plate["carrot"][8:], on_plate["sausage"][8:], strict=True))
    again = generate(2, 0, cell)
    rows = int(again.episode_lengths[:2].sum())
    np.testing.assert_array_equal(again.actions[:rows], made.actions[:rows])
