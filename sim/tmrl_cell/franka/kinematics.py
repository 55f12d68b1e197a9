"""Differential inverse kinematics of the arm: damped least squares, towards a posture at rest."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from tmrl_cell.kinematics import UnreachableTargetError

Array = NDArray[np.float64]

ARM_JOINTS = tuple(f"joint{number}" for number in range(1, 8))
TOOL_DOWN_WXYZ: Array = np.array([0.0, 1.0, 0.0, 0.0])
"""Hand pointing down, fingers opening along y of the base frame."""
REST_RAD: Array = np.array([0.0, 0.1, 0.0, -2.25, 0.0, 2.35, 0.785])
"""A posture in the middle of the table from which all of it is reached."""

_DAMPING = 1e-6 * np.eye(6)
_POSTURE_GAIN_PER_S = 0.5
_ITERATIONS = 200
_POSITION_M = 1e-4
_ROTATION_RAD = 1e-3


class DifferentialKinematics:
    """The arm on a private copy of the model's state. Not safe to share between threads."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Uses the joints `ARM_JOINTS` and the site `tool` of `model`."""
        self._model = model
        self._data = mujoco.MjData(model)
        joints = [model.joint(name) for name in ARM_JOINTS]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self.low_rad: Array = np.array([joint.range[0] for joint in joints])
        self.high_rad: Array = np.array([joint.range[1] for joint in joints])
        self._site = model.site("tool").id
        self._jacobian = np.zeros((6, model.nv))

    def tool(self, joints_rad: Array) -> tuple[Array, Array]:
        """Where the tool is.

        Args:
            joints_rad: Shape (7,) [rad].

        Returns:
            Position, shape (3,) [m], and rotation, shape (4,), scalar first, in the base frame.
        """
        self._place(joints_rad)
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return self._data.site_xpos[self._site].copy(), quaternion

    def jacobian(self, joints_rad: Array) -> Array:
        """Velocity and angular velocity of the tool per joint, base frame, shape (6, 7).

        Args:
            joints_rad: Shape (7,) [rad].
        """
        self._place(joints_rad)
        mujoco.mj_comPos(self._model, self._data)
        whole = self._jacobian
        mujoco.mj_jacSite(self._model, self._data, whole[:3], whole[3:], self._site)
        return whole[:, self._dof]

    def velocity(self, joints_rad: Array, linear_m_s: Array, angular_rad_s: Array) -> Array:
        """Joint velocities that move the tool, shape (7,) [rad/s].

        What the tool leaves free of the seven joints returns to `REST_RAD`.

        Args:
            joints_rad: Where the joints are, shape (7,) [rad].
            linear_m_s: Of the tool in the base frame, shape (3,) [m/s].
            angular_rad_s: The same of its rotation, shape (3,) [rad/s].
        """
        jacobian = self.jacobian(joints_rad)
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING)
        free = np.eye(len(ARM_JOINTS)) - inverse @ jacobian
        towards_rest = _POSTURE_GAIN_PER_S * (REST_RAD - joints_rad)
        return inverse @ np.concatenate([linear_m_s, angular_rad_s]) + free @ towards_rest

    def rotation_to(self, quaternion_wxyz: Array, goal_wxyz: Array) -> Array:
        """Rotation vector in the base frame that turns one rotation into another, (3,) [rad]."""
        back, turn, vector = np.empty(4), np.empty(4), np.empty(3)
        mujoco.mju_negQuat(back, quaternion_wxyz)
        mujoco.mju_mulQuat(turn, goal_wxyz, back)
        mujoco.mju_quat2Vel(vector, turn, 1.0)
        return vector

    def solve(self, position_m: Array, quaternion_wxyz: Array = TOOL_DOWN_WXYZ) -> Array:
        """Joint positions of a tool pose, near `REST_RAD`, shape (7,) [rad].

        Raises:
            UnreachableTargetError: None was found within the joint limits.
        """
        joints = REST_RAD.copy()
        for _ in range(_ITERATIONS):
            at_m, at_wxyz = self.tool(joints)
            way_m = position_m - at_m
            turn_rad = self.rotation_to(at_wxyz, quaternion_wxyz)
            if np.linalg.norm(way_m) < _POSITION_M and np.linalg.norm(turn_rad) < _ROTATION_RAD:
                if np.all(joints >= self.low_rad) and np.all(joints <= self.high_rad):
                    return joints
                break
            joints = joints + np.clip(self.velocity(joints, way_m, turn_rad), -0.3, 0.3)
        raise UnreachableTargetError(
            f"the tool cannot reach {np.round(position_m, 3).tolist()} m within the joint limits; "
            "choose a place nearer to the middle of the table"
        )

    def _place(self, joints_rad: Array) -> None:
        self._data.qpos[self._qpos] = joints_rad
        mujoco.mj_kinematics(self._model, self._data)
