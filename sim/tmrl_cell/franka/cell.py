"""The Franka's cell on MuJoCo: joint-velocity servos, a closed fist, buttons on springs."""

from importlib.resources import files

import mujoco
import numpy as np
from numpy.typing import NDArray

from tmrl_cell.cameras import CAMERAS
from tmrl_cell.franka.kinematics import ARM_JOINTS, DifferentialKinematics
from tmrl_cell.franka.task_file import Layout, TaskFile
from tmrl_cell.readings import ArmReadings, ObjectPose
from tmrl_cell.rendering import CameraRenderer

Array = NDArray[np.float64]

CONTROL_PERIOD_S = 1.0 / 15.0
"""One action of DROID."""
MAX_VELOCITY_RAD_S: Array = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
"""Largest joint speeds."""
BUTTON_HEIGHT_M = 0.055
"""Top of a cap that nobody presses, above the table."""

_HOUSING_HALF_M = 0.02
_CAP_HALF_M = 0.0125
_CAP_RADIUS_M = 0.032
_TRAVEL_M = 0.012
_STIFFNESS_N_M = 300.0
_FINGER_TRAVEL_M = 0.04
_SQUEEZE_M = 0.01


class FrankaCell:
    """A simulated Franka at its table. Not safe to share between threads."""

    def __init__(self, task: TaskFile) -> None:
        """Loads the arm and puts the task's objects on its table."""
        self.task = task
        self.model = _model(task)
        self._data = mujoco.MjData(self.model)
        self._kinematics = DifferentialKinematics(self.model)
        joints = [self.model.joint(name) for name in ARM_JOINTS]
        fingers = [self.model.joint(name) for name in ("franka_left", "franka_right")]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self._finger_qpos = np.array([joint.qposadr[0] for joint in fingers])
        self._tool = self.model.site("tool").id
        self._bodies = {name: self.model.body(name).id for name in task.object_names}
        self._caps = {name: int(self.model.joint(name).qposadr[0]) for name in task.object_names}
        self._timestep_s = float(self.model.opt.timestep)
        self._opening = 0.0
        self._renderers: dict[tuple[int, int], CameraRenderer] = {}

    @property
    def kinematics(self) -> DifferentialKinematics:
        """Of the arm; asking it moves nothing."""
        return self._kinematics

    @property
    def joint_limits_rad(self) -> tuple[Array, Array]:
        """Lower and upper joint limits, each of shape (7,) [rad]."""
        return self._kinematics.low_rad.copy(), self._kinematics.high_rad.copy()

    def reset(self, layout: Layout, joints_off_rad: Array | None = None) -> ArmReadings:
        """Puts the arm at the start, at rest with its gripper closed, and the objects in place.

        Args:
            layout: Where everything stands.
            joints_off_rad: Added to the joints of the start, shape (7,) [rad]; None: nothing.

        Raises:
            UnreachableTargetError: The arm cannot reach the start; nothing has changed.
        """
        joints = self._kinematics.solve(np.array(layout.tool_m))
        if joints_off_rad is not None:
            low_rad, high_rad = self.joint_limits_rad
            joints = np.clip(joints + joints_off_rad, low_rad, high_rad)
        mujoco.mj_resetData(self.model, self._data)
        for name, xy_m in layout.objects_m.items():
            self.model.body_pos[self._bodies[name], :2] = xy_m
        self._data.qpos[self._qpos] = joints
        self._grip(0.0)
        mujoco.mj_forward(self.model, self._data)
        return self.readings()

    def command(self, joint_velocity_rad_s: Array, gripper_opening: float) -> None:
        """Sets the velocity that the servos keep until the next command.

        Args:
            joint_velocity_rad_s: Shape (7,) [rad/s]; the servos follow within about 0.1 s.
            gripper_opening: 0 (closed) to 1 (open).

        Raises:
            ValueError: A value is not finite or out of its range; the former velocity stays.
        """
        if joint_velocity_rad_s.shape != (7,) or not np.isfinite(joint_velocity_rad_s).all():
            raise ValueError(
                f"joint velocity {joint_velocity_rad_s.tolist()} must be 7 finite numbers, in the "
                f"order {', '.join(ARM_JOINTS)}"
            )
        if np.any(np.abs(joint_velocity_rad_s) > MAX_VELOCITY_RAD_S):
            raise ValueError(
                f"joint velocity {np.round(joint_velocity_rad_s, 3).tolist()} rad/s is above the "
                f"arm's {MAX_VELOCITY_RAD_S.tolist()}; clip it"
            )
        if not 0.0 <= gripper_opening <= 1.0:
            raise ValueError(
                f"gripper opening {gripper_opening} is outside of 0 (closed) to 1 (open); clip it"
            )
        self._data.ctrl[:7] = joint_velocity_rad_s
        self._grip(gripper_opening)

    def _grip(self, opening: float) -> None:
        """Sends the fingers somewhere; closed ones are pressed together, so that they stay so."""
        self._data.ctrl[7:] = opening * (_FINGER_TRAVEL_M + _SQUEEZE_M) - _SQUEEZE_M
        self._opening = float(opening)

    def hold(self) -> None:
        """Brakes the joints to rest and leaves the gripper as it is."""
        self._data.ctrl[:7] = 0.0

    def advance(self, duration_s: float) -> ArmReadings:
        """Runs the physics for `duration_s` [s], rounded to whole steps of 1/300 s."""
        mujoco.mj_step(self.model, self._data, max(1, round(duration_s / self._timestep_s)))
        mujoco.mj_kinematics(self.model, self._data)
        return self.readings()

    def readings(self) -> ArmReadings:
        """The arm's state now."""
        data = self._data
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, data.site_xmat[self._tool])
        # The hand tells its width in steps of 2 mm.
        opening = round(40.0 * float(data.qpos[self._finger_qpos].mean()) / _FINGER_TRAVEL_M) / 40.0
        return ArmReadings(
            time_s=float(data.time),
            joint_position_rad=data.qpos[self._qpos],
            joint_velocity_rad_s=data.qvel[self._dof],
            tool_position_m=data.site_xpos[self._tool].copy(),
            tool_quaternion_wxyz=quaternion,
            gripper_opening=min(max(opening, 0.0), 1.0),
            gripper_commanded=self._opening,
        )

    def object_poses(self) -> dict[str, ObjectPose]:
        """Pose of every object by name, base frame, where it stands on the table."""
        upright = np.array([1.0, 0.0, 0.0, 0.0])
        return {
            name: ObjectPose(self.model.body_pos[body].copy(), upright)
            for name, body in self._bodies.items()
        }

    def pressed_m(self, name: str) -> float:
        """How far the cap of a button is pressed [m].

        Raises:
            ValueError: `name` is not an object of the task.
        """
        if name not in self._caps:
            known = ", ".join(self._caps)
            raise ValueError(f"unknown object {name!r}; the task has {known}")
        return max(0.0, -float(self._data.qpos[self._caps[name]]))

    def pressed_names(self, by_m: float) -> frozenset[str]:
        """Names of the buttons whose caps are pressed by at least `by_m` [m]."""
        return frozenset(name for name in self._caps if self.pressed_m(name) >= by_m)

    def render(self, camera: str, height: int = 224, width: int = 224) -> NDArray[np.uint8]:
        """Renders a picture, see `WidowXCell.render`.

        Raises:
            ValueError: There is no such camera.
        """
        if camera not in CAMERAS:
            raise ValueError(f"unknown camera {camera!r}; the cameras are {', '.join(CAMERAS)}")
        if (height, width) not in self._renderers:
            self._renderers[height, width] = CameraRenderer(self.model, height, width)
        return self._renderers[height, width].render(self._data, camera)

    def snapshot(self) -> Array:
        """A copy of all joint positions."""
        return self._data.qpos.copy()


def _model(task: TaskFile) -> mujoco.MjModel:
    folder = files("tmrl_cell").joinpath("model")
    cell, arm = (
        folder.joinpath(f"{name}.xml").read_text("utf-8") for name in ("franka_cell", "franka")
    )
    before, end, after = cell.rpartition("</worldbody>")
    objects = "".join(_button(each.name, each.rgba) for each in task.objects)
    assets = {"franka.xml": arm.encode()}
    return mujoco.MjModel.from_xml_string(before + objects + end + after, assets)


def _button(name: str, rgba: tuple[float, ...]) -> str:
    """A housing that stands still, and a cap that a spring lifts against its upper stop: MJCF."""
    colour = " ".join(f"{value:g}" for value in rgba)
    return f"""
    <body name="{name}">
      <geom type="cylinder" size="{_CAP_RADIUS_M + 0.01} {_HOUSING_HALF_M}" contype="1"
            conaffinity="2" pos="0 0 {_HOUSING_HALF_M}" rgba="0.2 0.2 0.22 1"/>
      <body name="{name}_cap" pos="0 0 {BUTTON_HEIGHT_M - _CAP_HALF_M}" gravcomp="1">
        <joint name="{name}" type="slide" axis="0 0 1" range="-{_TRAVEL_M} 0" limited="true"
               stiffness="{_STIFFNESS_N_M}" springref="0.001" damping="4"/>
        <geom type="cylinder" size="{_CAP_RADIUS_M} {_CAP_HALF_M}" contype="1" conaffinity="2"
              mass="0.05" rgba="{colour}"/>
      </body>
    </body>
    """
