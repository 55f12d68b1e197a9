"""BridgeData's roll, pitch and yaw: zero straight down, and the rotation that they stand for."""

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_agent.bridge_angles import bridge_angles_rad
from tmrl_common.geometry import (
    matrix_from_quaternion,
    multiply_quaternions,
    quaternion_from_rotation_vector,
)

DOWN = quaternion_from_rotation_vector((0.0, pi / 2, 0.0))
ANGLE = st.floats(-3.0, 3.0)


def about(axis: int, angle_rad: float) -> np.ndarray:
    return quaternion_from_rotation_vector(angle_rad * np.eye(3)[axis])


def test_fingers_that_point_straight_down_have_no_angles() -> None:
    assert bridge_angles_rad(DOWN) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    fingers = matrix_from_quaternion(DOWN)[:, 0]
    np.testing.assert_allclose(fingers, (0.0, 0.0, -1.0), atol=1e-12)


@given(roll=ANGLE, pitch=st.floats(-1.5, 1.5), yaw=ANGLE)
def test_turns_about_the_bases_axes_come_back_as_they_were_made(
    roll: float, pitch: float, yaw: float
) -> None:
    turned = multiply_quaternions(about(0, roll), DOWN)
    turned = multiply_quaternions(about(1, pitch), turned)
    turned = multiply_quaternions(about(2, yaw), turned)
    assert bridge_angles_rad(turned) == pytest.approx((roll, pitch, yaw), abs=1e-6)


def test_something_that_is_no_rotation_is_refused() -> None:
    with pytest.raises(ValueError, match="no rotation"):
        bridge_angles_rad((0.0, 0.0, 0.0, 0.0))
