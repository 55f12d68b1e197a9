"""Inverse kinematics of the arm: 6-D damped least squares within the joint limits."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ARM_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
TOOL_DOWN_WXYZ: Array = np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])
"""Gripper pointing down, fingers opening along y of the base frame."""

_SEED_RAD = np.array([0.0, -0.45, 0.85, 0.0, 1.17, 0.0])
_DAMPING = 1e-6
_MAX_STEP_RAD = 0.5


class UnreachableTargetError(ValueError):
    """No joint position within the limits brings the tool to the target."""


@dataclass(frozen=True)
class IkTolerance:
    """When a solution counts as found."""

    position_m: float = 1e-4
    rotation_rad: float = 1e-3
    max_iterations: int = 100


class InverseKinematics:
    """Solves for the six arm joints on a private copy of the model's state."""

    def __init__(self, model: mujoco.MjModel, tolerance: IkTolerance | None = None) -> None:
        """Uses the arm and the site `tool` of `model`."""
        self._model = model
        self._data = mujoco.MjData(model)
        self._tolerance = tolerance or IkTolerance()
        joints = [model.joint(name) for name in ARM_JOINTS]
        self._qpos_index = np.array([joint.qposadr[0] for joint in joints])
        self._dof_index = np.array([joint.dofadr[0] for joint in joints])
        self.low_rad: Array = np.array([joint.range[0] for joint in joints])
        self.high_rad: Array = np.array([joint.range[1] for joint in joints])
        self._site_id = model.site("tool").id
        self._jacobian = np.zeros((6, model.nv))

    def solve(self, position_m: Array, quaternion_wxyz: Array, seed_rad: Array) -> Array:
        """Finds joint positions for a tool pose, starting from `seed_rad`.

        Args:
            position_m: Shape (3,), tool position in the base frame [m].
            quaternion_wxyz: Shape (4,), tool rotation in the base frame, scalar first.
            seed_rad: Shape (6,), where to start the search [rad]. The solution stays on its branch.

        Returns:
            Shape (6,), joint positions within the limits [rad].

        Raises:
            UnreachableTargetError: No solution was found from this seed.
        """
        joints = np.clip(seed_rad, self.low_rad, self.high_rad)
        tolerance = self._tolerance
        error = np.zeros(6)
        position_error_m = rotation_error_rad = np.inf
        for _ in range(tolerance.max_iterations):
            self._pose_error(joints, position_m, quaternion_wxyz, error)
            position_error_m = float(np.linalg.norm(error[:3]))
            rotation_error_rad = float(np.linalg.norm(error[3:]))
            if (
                position_error_m <= tolerance.position_m
                and rotation_error_rad <= tolerance.rotation_rad
            ):
                return joints
            joints = self._improve(joints, error)
        raise UnreachableTargetError(
            f"tool position {np.round(position_m, 3).tolist()} m with quaternion "
            f"{np.round(quaternion_wxyz, 3).tolist()} is out of reach: the nearest pose found is "
            f"{position_error_m * 1e3:.1f} mm and {rotation_error_rad:.3f} rad away; "
            "keep the target inside the workspace box"
        )

    def solve_anywhere(self, position_m: Array, quaternion_wxyz: Array) -> Array:
        """Like `solve`, from a standard elbow-up pose turned towards the target."""
        seed = _SEED_RAD.copy()
        seed[0] = np.arctan2(position_m[1], position_m[0])
        seed[5] = seed[0]
        return self.solve(position_m, quaternion_wxyz, seed)

    def _pose_error(
        self, joints: Array, position_m: Array, quaternion_wxyz: Array, error: Array
    ) -> None:
        """Writes [translation (m), rotation vector (rad)] from tool to target, base frame."""
        data = self._data
        data.qpos[self._qpos_index] = joints
        mujoco.mj_kinematics(self._model, data)
        tool = np.empty(4)
        mujoco.mju_mat2Quat(tool, data.site_xmat[self._site_id])
        mujoco.mju_negQuat(tool, tool)
        turn = np.empty(4)
        mujoco.mju_mulQuat(turn, quaternion_wxyz, tool)
        mujoco.mju_quat2Vel(error[3:], turn, 1.0)
        np.subtract(position_m, data.site_xpos[self._site_id], out=error[:3])

    def _improve(self, joints: Array, error: Array) -> Array:
        """One damped least-squares step; the damping fades with the error."""
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(
            self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site_id
        )
        jacobian = self._jacobian[:, self._dof_index]
        damping = _DAMPING + 1e-2 * float(error @ error)
        gram = jacobian @ jacobian.T
        gram.flat[::7] += damping
        change = jacobian.T @ np.linalg.solve(gram, error)
        largest = float(np.abs(change).max())
        if largest > _MAX_STEP_RAD:
            change *= _MAX_STEP_RAD / largest
        return np.clip(joints + change, self.low_rad, self.high_rad)
