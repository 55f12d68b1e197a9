"""Rotations and poses, pure numpy.

Conventions: quaternions are (x, y, z, w) as in ROS messages, of unit length; rotation vectors are
axis times angle [rad]; `R_a_b` and `q_a_b` turn vectors given in frame b into frame a.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]

IDENTITY_QUATERNION: Vector = np.array([0.0, 0.0, 0.0, 1.0])
IDENTITY_QUATERNION.flags.writeable = False

_SMALL_ANGLE_RAD = 1e-6


def normalise_quaternion(quaternion: ArrayLike) -> Vector:
    """Scales to unit length.

    Args:
        quaternion: Shape (4,), x y z w.

    Raises:
        ValueError: It is not 4 finite numbers, or its length is 0.
    """
    q = np.asarray(quaternion, dtype=np.float64)
    if q.shape != (4,) or not np.isfinite(q).all():
        raise ValueError(f"quaternion {quaternion} must be 4 finite numbers x y z w")
    # Dividing by the largest component first keeps the squares from over- and underflowing.
    largest = np.abs(q).max()
    if largest == 0.0:
        raise ValueError("quaternion 0 0 0 0 is no rotation; the identity is 0 0 0 1")
    q = q / largest
    return q / np.linalg.norm(q)


def invert_quaternion(q_a_b: Vector) -> Vector:
    """The opposite rotation q_b_a of a unit quaternion, shape (4,)."""
    return q_a_b * np.array([-1.0, -1.0, -1.0, 1.0])


def multiply_quaternions(q_a_b: Vector, q_b_c: Vector) -> Vector:
    """Chain two rotations: q_a_c, shape (4,), unit length for unit inputs up to rounding."""
    # Plain numbers: the controller multiplies often, and np.cross costs ten times as much.
    x_1, y_1, z_1, w_1 = q_a_b.tolist()
    x_2, y_2, z_2, w_2 = q_b_c.tolist()
    return np.array(
        [
            w_1 * x_2 + x_1 * w_2 + y_1 * z_2 - z_1 * y_2,
            w_1 * y_2 - x_1 * z_2 + y_1 * w_2 + z_1 * x_2,
            w_1 * z_2 + x_1 * y_2 - y_1 * x_2 + z_1 * w_2,
            w_1 * w_2 - x_1 * x_2 - y_1 * y_2 - z_1 * z_2,
        ]
    )


def rotate(q_a_b: Vector, vector_b: Vector) -> Vector:
    """Express a vector, shape (3,), given in frame b, in frame a."""
    axis, w = q_a_b[:3], q_a_b[3]
    twice_cross = 2.0 * np.cross(axis, vector_b)
    return vector_b + w * twice_cross + np.cross(axis, twice_cross)


def quaternion_from_rotation_vector(rotation_vector_rad: ArrayLike) -> Vector:
    """Unit quaternion of a rotation vector, shape (3,) [rad]; the zero vector is the identity."""
    vector = np.asarray(rotation_vector_rad, dtype=np.float64)
    angle_rad = float(np.linalg.norm(vector))
    if angle_rad < _SMALL_ANGLE_RAD:
        # sin(angle / 2) / angle to second order; its limit 1/2 has no division by zero.
        scale = 0.5 - angle_rad**2 / 48.0
    else:
        scale = np.sin(0.5 * angle_rad) / angle_rad
    return np.array([*(scale * vector), np.cos(0.5 * angle_rad)])


def rotation_vector_from_quaternion(quaternion: Vector) -> Vector:
    """Rotation vector, shape (3,) [rad], of the shorter way round: its length is at most pi."""
    shorter = quaternion if quaternion[3] >= 0.0 else -quaternion
    sine = float(np.linalg.norm(shorter[:3]))
    angle_rad = 2.0 * np.arctan2(sine, shorter[3])
    if sine < 0.5 * _SMALL_ANGLE_RAD:
        return 2.0 * shorter[:3]
    return shorter[:3] * (angle_rad / sine)


def rotation_angle_between(q_a_b: Vector, q_a_c: Vector) -> float:
    """Angle of the rotation from b to c, in [0, pi] rad."""
    q_b_c = multiply_quaternions(invert_quaternion(q_a_b), q_a_c)
    return float(np.linalg.norm(rotation_vector_from_quaternion(q_b_c)))


def matrix_from_quaternion(q_a_b: Vector) -> NDArray[np.float64]:
    """Rotation matrix R_a_b, shape (3, 3)."""
    return np.stack([rotate(q_a_b, axis) for axis in np.eye(3)], axis=1)


def limit_length(vector: Vector, longest: float) -> Vector:
    """The vector, shape (n,), shortened to length `longest` if it is longer; direction kept."""
    # hypot, because the squares of short vectors underflow and would let them grow.
    length = math.hypot(*vector)
    return vector if length <= longest else vector * (longest / length)


def move_pose(
    position_base_m: Vector,
    q_base_tool: Vector,
    translation_base_m: Vector,
    rotation_vector_base_rad: Vector,
) -> tuple[Vector, Vector]:
    """Applies a delta given in the base frame to a pose X_base_tool, as "bridge_delta_ee" means it.

    The translation adds; the rotation turns the tool about its own origin, around axes of the base.

    Args:
        position_base_m: Origin of the tool, shape (3,) [m].
        q_base_tool: Orientation, shape (4,), x y z w.
        translation_base_m: Shape (3,) [m].
        rotation_vector_base_rad: Shape (3,) [rad].

    Returns:
        New position and unit quaternion.
    """
    turn = quaternion_from_rotation_vector(rotation_vector_base_rad)
    turned = normalise_quaternion(multiply_quaternions(turn, q_base_tool))
    return position_base_m + translation_base_m, turned
