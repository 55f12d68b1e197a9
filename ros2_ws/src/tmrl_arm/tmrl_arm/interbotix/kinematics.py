"""Forward and inverse kinematics of the WidowX 250 (6 DoF), in numpy alone.

The vendor's own solver is not used: it iterates without damping and without the joint limits, at
most 20 times, and wraps the joints afterwards, so that near a limit or a singularity it gives up or
answers on another branch, across which the arm would swing. Here the search is damped, stays within
the limits, and starts where the arm is; a target that it does not find is refused.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import CommandRefusedError
from tmrl_arm.interbotix.config import JOINTS
from tmrl_common.geometry import matrix_from_quaternion, normalise_quaternion

Array = NDArray[np.float64]

# Axis of each joint (0 x, 1 y, 2 z) and one point on it, with all joints at zero; base frame, m.
# Published dimensions of the arm: shoulder 110.65 mm up, elbow 250 mm higher and 49.75 mm ahead,
# wrist 250 mm further, the point between the fingertips 158.575 mm beyond the wrist.
_AXIS = (2, 1, 1, 0, 1, 0)
_POINT_M: Array = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.11065],
        [0.04975, 0.0, 0.36065],
        [0.04975, 0.0, 0.36065],
        [0.29975, 0.0, 0.36065],
        [0.29975, 0.0, 0.36065],
    ]
)
_TOOL_M: Array = np.array([0.458325, 0.0, 0.36065])

TOOL_DOWN_XYZW: Array = np.array([0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)])
"""Gripper pointing down, fingers opening along y of the base frame."""

_ELBOW_UP_RAD: Array = np.array([0.0, -0.45, 0.85, 0.0, 1.17, 0.0])
_DAMPING = 1e-6
_MAX_STEP_RAD = 0.3
_PARALLEL = 1e-9


class UnreachableError(CommandRefusedError):
    """No joint positions within the limits bring the tool to the target."""


@dataclass(frozen=True)
class IkTolerance:
    """When a solution counts as found.

    Attributes:
        position_m: Largest distance from the target, m.
        rotation_rad: Largest angle from it, rad.
        max_iterations: Of the search.
    """

    position_m: float = 2e-4
    rotation_rad: float = 1e-3
    max_iterations: int = 60


def forward(joint_rad: Array) -> tuple[Array, Array]:
    """Tool position, shape (3,) [m], and rotation matrix R_base_tool, shape (3, 3)."""
    rotation, offset_m = np.eye(3), np.zeros(3)
    for axis, point_m, angle_rad in zip(_AXIS, _POINT_M, joint_rad.tolist(), strict=True):
        turn = _turn(axis, angle_rad)
        offset_m = offset_m + rotation @ (point_m - turn @ point_m)
        rotation = rotation @ turn
    return rotation @ _TOOL_M + offset_m, rotation


def jacobian(joint_rad: Array) -> Array:
    """Geometric Jacobian of the tool, shape (6, 6): velocity (m), then rotation (rad), base frame.

    One column per joint: what the tool does when that joint turns at 1 rad/s.
    """
    tool_m, _ = forward(joint_rad)
    columns = np.empty((6, len(JOINTS)))
    rotation, offset_m = np.eye(3), np.zeros(3)
    for joint, angle_rad in enumerate(joint_rad.tolist()):
        axis_base = rotation[:, _AXIS[joint]]
        arm_m = tool_m - (rotation @ _POINT_M[joint] + offset_m)
        columns[:3, joint] = _cross(axis_base, arm_m)
        columns[3:, joint] = axis_base
        turn = _turn(_AXIS[joint], angle_rad)
        offset_m = offset_m + rotation @ (_POINT_M[joint] - turn @ _POINT_M[joint])
        rotation = rotation @ turn
    return columns


def quaternion_of(rotation: Array) -> Array:
    """Unit quaternion x y z w, shape (4,), of a rotation matrix, shape (3, 3)."""
    # Of the four ways to the same quaternion, the one with the largest divisor is accurate.
    diagonal = np.diag(rotation)
    trace = float(diagonal.sum())
    squares = np.append(1.0 + 2.0 * diagonal - trace, 1.0 + trace)
    largest = int(np.argmax(squares))
    q = np.empty(4)
    skew = _skew_part(rotation)
    if largest == 3:
        q[:3], q[3] = skew, squares[3]
    else:
        q[:3] = rotation[largest] + rotation[:, largest]
        q[largest] = squares[largest]
        q[3] = skew[largest]
    return normalise_quaternion(q)


def inverse(
    position_m: Array,
    quaternion_xyzw: Array,
    seed_rad: Array,
    limits_rad: tuple[Array, Array],
    tolerance: IkTolerance | None = None,
) -> Array:
    """Finds joint positions for a tool pose, on the branch of `seed_rad`.

    Args:
        position_m: Tool position in the base frame, shape (3,), m.
        quaternion_xyzw: Tool rotation in the base frame, shape (4,).
        seed_rad: Where the search starts, shape (6,), rad.
        limits_rad: Lowest and highest joint positions, each of shape (6,), rad.
        tolerance: When the search ends.

    Returns:
        Joint positions within the limits, shape (6,), rad.

    Raises:
        UnreachableError: None was found. The text names the joints that would leave their limits,
            or how far the nearest pose found is away.
    """
    rotation = matrix_from_quaternion(normalise_quaternion(quaternion_xyzw))
    tolerance = tolerance or IkTolerance()
    low_rad, high_rad = limits_rad
    joint_rad, error = _search(position_m, rotation, seed_rad, (low_rad, high_rad), tolerance)
    if _found(error, tolerance):
        return joint_rad
    free = np.full(len(JOINTS), np.inf)
    unlimited_rad, free_error = _search(position_m, rotation, seed_rad, (-free, free), tolerance)
    outside = (unlimited_rad < low_rad) | (unlimited_rad > high_rad)
    target = f"tool position {np.round(position_m, 3).tolist()} m"
    if _found(free_error, tolerance) and outside.any():
        joints = ", ".join(
            f"{JOINTS[i]} at {unlimited_rad[i]:.3f} rad (limits {low_rad[i]:.3f} and "
            f"{high_rad[i]:.3f})"
            for i in np.flatnonzero(outside).tolist()
        )
        raise UnreachableError(f"{target} needs {joints}; keep the target inside the workspace box")
    raise UnreachableError(
        f"{target} is out of reach: the nearest pose found is "
        f"{np.linalg.norm(error[:3]) * 1e3:.0f} mm and {np.linalg.norm(error[3:]):.2f} rad away; "
        "keep the target inside the workspace box"
    )


def tool_down(position_m: Array, limits_rad: tuple[Array, Array]) -> Array:
    """Joint positions, shape (6,), elbow up, gripper pointing down at a tool position (3,) [m].

    Raises:
        UnreachableError: There are none within the limits.
    """
    seed_rad = _ELBOW_UP_RAD.copy()
    seed_rad[0] = seed_rad[5] = np.arctan2(position_m[1], position_m[0])
    return inverse(position_m, TOOL_DOWN_XYZW, seed_rad, limits_rad)


def _search(
    position_m: Array,
    rotation: Array,
    seed_rad: Array,
    limits_rad: tuple[Array, Array],
    tolerance: IkTolerance,
) -> tuple[Array, Array]:
    """Damped least squares; returns the last joint positions and the pose error left there."""
    joint_rad = np.clip(seed_rad, *limits_rad)
    error = _pose_error(joint_rad, position_m, rotation)
    for _ in range(tolerance.max_iterations):
        if _found(error, tolerance):
            break
        columns = jacobian(joint_rad)
        gram = columns @ columns.T
        # Damping that fades with the error: careful far away, fast near the solution.
        gram.flat[::7] += _DAMPING + 1e-2 * float(error @ error)
        change = columns.T @ np.linalg.solve(gram, error)
        largest = float(np.abs(change).max())
        if largest > _MAX_STEP_RAD:
            change *= _MAX_STEP_RAD / largest
        joint_rad = np.clip(joint_rad + change, *limits_rad)
        error = _pose_error(joint_rad, position_m, rotation)
    return joint_rad, error


def _found(error: Array, tolerance: IkTolerance) -> bool:
    return bool(
        np.linalg.norm(error[:3]) <= tolerance.position_m
        and np.linalg.norm(error[3:]) <= tolerance.rotation_rad
    )


def _pose_error(joint_rad: Array, position_m: Array, rotation: Array) -> Array:
    """Translation (m) and rotation vector (rad) from the tool to the target, base frame, (6,)."""
    tool_m, tool_rotation = forward(joint_rad)
    return np.concatenate((position_m - tool_m, _rotation_vector(rotation @ tool_rotation.T)))


def _rotation_vector(rotation: Array) -> Array:
    """Axis times angle of a rotation matrix; half a turn takes either way round."""
    twice_sine_axis = _skew_part(rotation)
    sine = 0.5 * float(np.linalg.norm(twice_sine_axis))
    cosine = 0.5 * (float(np.trace(rotation)) - 1.0)
    angle_rad = float(np.arctan2(sine, cosine))
    if sine > _PARALLEL:
        return twice_sine_axis * (0.5 * angle_rad / sine)
    if cosine > 0.0:
        return 0.5 * twice_sine_axis
    symmetric = 0.5 * (rotation + np.eye(3))
    column = symmetric[:, int(np.argmax(np.diag(symmetric)))]
    return column * (angle_rad / float(np.linalg.norm(column)))


def _skew_part(rotation: Array) -> Array:
    return np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )


def _turn(axis: int, angle_rad: float) -> Array:
    """Rotation matrix about the x, y or z axis."""
    cosine, sine = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((3, 3))
    turn[axis, axis] = 1.0
    turn[one, one] = turn[two, two] = cosine
    turn[one, two], turn[two, one] = -sine, sine
    return turn


def _cross(one: Array, two: Array) -> Array:
    # np.cross costs ten times as much for single vectors.
    x_1, y_1, z_1 = one.tolist()
    x_2, y_2, z_2 = two.tolist()
    return np.array([y_1 * z_2 - z_1 * y_2, z_1 * x_2 - x_1 * z_2, x_1 * y_2 - y_1 * x_2])
