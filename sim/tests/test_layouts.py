import numpy as np
import pytest

from tmrl_cell.layouts import (
    DOWNSTREAM_CENTRE_M,
    DOWNSTREAM_SPREAD_M,
    OBJECT_HIGH_M,
    OBJECT_LOW_M,
    downstream_layout,
    pretraining_layout,
)


@pytest.mark.parametrize("draw", [pretraining_layout, downstream_layout])
def test_a_seed_decides_the_layout(draw):
    assert draw(np.random.default_rng(3)) == draw(np.random.default_rng(3))
    assert draw(np.random.default_rng(3)) != draw(np.random.default_rng(4))


@pytest.mark.parametrize("draw", [pretraining_layout, downstream_layout])
def test_objects_lie_inside_the_training_range_and_apart(draw):
    rng = np.random.default_rng(0)
    for _ in range(500):
        layout = draw(rng)
        carrot, sausage = np.array(layout.carrot_xy_m), np.array(layout.sausage_xy_m)
        for place in (carrot, sausage):
            assert np.all(place >= OBJECT_LOW_M) and np.all(place <= OBJECT_HIGH_M)
        away = np.abs(carrot - sausage)
        assert away[0] > 0.08 or away[1] > 0.06


def test_downstream_objects_stay_near_their_places():
    rng = np.random.default_rng(0)
    for _ in range(200):
        layout = downstream_layout(rng)
        for place, name in ((layout.carrot_xy_m, "carrot"), (layout.sausage_xy_m, "sausage")):
            away = np.abs(np.subtract(place, DOWNSTREAM_CENTRE_M[name]))
            assert away.max() <= DOWNSTREAM_SPREAD_M
