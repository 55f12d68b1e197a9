"""Inverse kinematics of an arm with more joints than the pose needs, in numpy alone.

Damped least squares within the joint limits, from where the arm is. What the pose leaves free is
used to stay near a posture, so that the elbow does not wander off over hours of small movements.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import CommandRefusedError
from tmrl_common.geometry import (
    invert_quaternion,
    multiply_quaternions,
    rotation_vector_from_quaternion,
)

Array = NDArray[np.float64]

_TOLERANCE_M = 1e-4
_TOLERANCE_RAD = 1e-3
_ITERATIONS = 60
_DAMPING = 1e-6
_MAX_STEP_RAD = 0.3
_POSTURE_SHARE = 0.01


class Chain(Protocol):
    """Kinematics of an arm of n joints."""

    def pose(self, joint_rad: Array) -> tuple[Array, Array]:
        """Tool in the base frame: position, shape (3,) [m], and quaternion x y z w, shape (4,)."""
        ...

    def jacobian(self, joint_rad: Array) -> Array:
        """Linear, then angular velocity of the tool per joint velocity, base frame, (6, n)."""
        ...


class UnreachableError(CommandRefusedError):
    """No joint positions within the limits bring the tool to the target."""


def solve(
    chain: Chain,
    position_m: Array,
    quaternion_xyzw: Array,
    seed_rad: Array,
    limits_rad: tuple[Array, Array],
    posture_rad: Array,
) -> Array:
    """Finds joint positions for a tool pose, on the branch of `seed_rad`.

    Args:
        chain: The arm.
        position_m: Tool in the base frame, shape (3,), m.
        quaternion_xyzw: Its rotation there, shape (4,), unit length.
        seed_rad: Where the search starts, shape (n,), rad.
        limits_rad: Lowest and highest joint positions, each of shape (n,), rad.
        posture_rad: What the free joints lean to, shape (n,), rad.

    Returns:
        Joint positions within the limits, shape (n,), rad.

    Raises:
        UnreachableError: None were found.
    """
    low_rad, high_rad = limits_rad
    joint_rad = np.clip(seed_rad, low_rad, high_rad)
    error = _pose_error(chain, joint_rad, position_m, quaternion_xyzw)
    # Once per solution, or the elbow's speed would depend on how many steps the solution takes.
    lean_rad = _POSTURE_SHARE * (posture_rad - joint_rad)
    for _ in range(_ITERATIONS):
        if (
            np.linalg.norm(error[:3]) <= _TOLERANCE_M
            and np.linalg.norm(error[3:]) <= _TOLERANCE_RAD
        ):
            return joint_rad
        step_rad = _step(chain.jacobian(joint_rad), error, lean_rad)
        lean_rad = np.zeros_like(joint_rad)
        joint_rad = np.clip(joint_rad + step_rad, low_rad, high_rad)
        error = _pose_error(chain, joint_rad, position_m, quaternion_xyzw)
    raise UnreachableError(
        f"tool position {np.round(position_m, 3).tolist()} m with quaternion "
        f"{np.round(quaternion_xyzw, 3).tolist()} is out of reach: the nearest pose found is "
        f"{np.linalg.norm(error[:3]) * 1e3:.1f} mm and {np.linalg.norm(error[3:]):.3f} rad away; "
        "keep the target inside the workspace box"
    )


def _pose_error(chain: Chain, joint_rad: Array, position_m: Array, quaternion_xyzw: Array) -> Array:
    """From the tool to the target: translation [m], then rotation vector [rad], base frame."""
    there_m, q_base_tool = chain.pose(joint_rad)
    turn = multiply_quaternions(quaternion_xyzw, invert_quaternion(q_base_tool))
    return np.concatenate([position_m - there_m, rotation_vector_from_quaternion(turn)])


def _step(jacobian: Array, error: Array, lean_rad: Array) -> Array:
    """One step towards the target; `lean_rad` counts as far as it does not move the tool."""
    damping = _DAMPING + 1e-2 * float(error @ error)
    gram = jacobian @ jacobian.T
    gram.flat[:: gram.shape[0] + 1] += damping
    step = lean_rad + jacobian.T @ np.linalg.solve(gram, error - jacobian @ lean_rad)
    largest = float(np.abs(step).max())
    return step if largest <= _MAX_STEP_RAD else step * (_MAX_STEP_RAD / largest)
