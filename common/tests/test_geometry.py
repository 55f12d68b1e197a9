import math
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tmrl_common.geometry import (
    IDENTITY_QUATERNION,
    invert_quaternion,
    limit_length,
    matrix_from_quaternion,
    move_pose,
    multiply_quaternions,
    normalise_quaternion,
    quaternion_from_rotation_vector,
    rotate,
    rotation_angle_between,
    rotation_vector_from_quaternion,
)

NUMBERS = st.floats(-10.0, 10.0)
VECTORS = arrays(np.float64, 3, elements=NUMBERS)
TURNS = VECTORS.map(quaternion_from_rotation_vector)


@given(VECTORS)
def test_every_rotation_vector_gives_a_unit_quaternion(vector):
    assert np.linalg.norm(quaternion_from_rotation_vector(vector)) == pytest.approx(1.0, abs=1e-12)


@given(arrays(np.float64, 3, elements=st.floats(-1.8, 1.8)))
def test_rotation_vectors_shorter_than_pi_survive_the_round_trip(vector):
    back = rotation_vector_from_quaternion(quaternion_from_rotation_vector(vector))
    assume(np.linalg.norm(vector) < np.pi - 1e-6)
    np.testing.assert_allclose(back, vector, atol=1e-9)


@given(TURNS)
def test_a_quaternion_and_its_negative_are_the_same_rotation(turn):
    assume(abs(turn[3]) > 1e-9)
    np.testing.assert_allclose(
        rotation_vector_from_quaternion(turn), rotation_vector_from_quaternion(-turn), atol=1e-12
    )
    assert np.linalg.norm(rotation_vector_from_quaternion(turn)) <= np.pi + 1e-12


@given(TURNS, TURNS, VECTORS)
def test_chained_rotations_act_one_after_the_other(q_a_b, q_b_c, vector_c):
    chained = rotate(multiply_quaternions(q_a_b, q_b_c), vector_c)
    np.testing.assert_allclose(chained, rotate(q_a_b, rotate(q_b_c, vector_c)), atol=1e-9)


@given(TURNS, VECTORS)
def test_the_inverse_undoes_a_rotation(turn, vector):
    np.testing.assert_allclose(
        rotate(invert_quaternion(turn), rotate(turn, vector)), vector, atol=1e-9
    )


@given(TURNS, VECTORS)
def test_matrices_rotate_as_quaternions_do_and_are_proper(turn, vector):
    matrix = matrix_from_quaternion(turn)
    np.testing.assert_allclose(matrix @ vector, rotate(turn, vector), atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_the_convention_is_that_of_ros():
    quarter_turn_about_z = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_allclose(
        quaternion_from_rotation_vector([0.0, 0.0, np.pi / 2]), quarter_turn_about_z, atol=1e-12
    )
    np.testing.assert_allclose(
        rotate(quarter_turn_about_z, np.array([1.0, 0.0, 0.0])), [0.0, 1.0, 0.0], atol=1e-12
    )


@given(arrays(np.float64, 3, elements=st.floats(-1.8, 1.8)), TURNS)
def test_the_angle_between_two_orientations_is_the_turn_from_one_to_the_other(vector, start):
    end = multiply_quaternions(start, quaternion_from_rotation_vector(vector))
    assume(np.linalg.norm(vector) < np.pi)
    assert rotation_angle_between(start, end) == pytest.approx(np.linalg.norm(vector), abs=1e-7)


@given(arrays(np.float64, 4, elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_quaternion_but_zero_is_brought_to_unit_length(quaternion):
    assume(np.abs(quaternion).max() > 0.0)
    assert np.linalg.norm(normalise_quaternion(quaternion)) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [[0, 0, 0, 0], [1, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 1]])
def test_what_is_no_rotation_is_refused(bad):
    with pytest.raises(ValueError, match="quaternion"):
        normalise_quaternion(bad)


@given(VECTORS, st.floats(0.0, 5.0))
def test_limited_vectors_keep_their_direction_and_never_exceed_the_limit(vector, longest):
    limited = limit_length(vector, longest)
    # The smallest lengths that a float holds are rounded coarsely.
    assert math.hypot(*limited) <= longest * (1.0 + 1e-12) + sys.float_info.min
    if math.hypot(*vector) <= longest:
        np.testing.assert_array_equal(limited, vector)
    else:
        np.testing.assert_allclose(np.cross(limited, vector), 0.0, atol=1e-6)
        assert limited @ vector >= 0.0


@given(VECTORS, TURNS, VECTORS)
def test_deltas_are_read_in_the_base_frame(position, q_base_tool, delta):
    moved, turned = move_pose(position, q_base_tool, delta, np.array([0.0, 0.0, np.pi / 2]))
    np.testing.assert_allclose(moved, position + delta)
    tool_x = rotate(q_base_tool, np.array([1.0, 0.0, 0.0]))
    quarter_turn = np.array([-tool_x[1], tool_x[0], tool_x[2]])
    np.testing.assert_allclose(rotate(turned, np.array([1.0, 0.0, 0.0])), quarter_turn, atol=1e-9)


def test_no_delta_leaves_the_pose():
    position, turned = move_pose(np.ones(3), IDENTITY_QUATERNION, np.zeros(3), np.zeros(3))
    np.testing.assert_array_equal(position, np.ones(3))
    np.testing.assert_array_equal(turned, IDENTITY_QUATERNION)
