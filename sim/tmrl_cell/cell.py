"""The WidowX cell on MuJoCo: one arm, a table, two objects and a pot, with real contacts."""

from importlib.resources import files

import mujoco
import numpy as np
from numpy.typing import NDArray

from tmrl_cell.camera_model import places_in_picture
from tmrl_cell.cameras import CAMERAS
from tmrl_cell.kinematics import ARM_JOINTS, TOOL_DOWN_WXYZ, InverseKinematics
from tmrl_cell.layouts import OBJECTS, POT_POSITION_M, Layout
from tmrl_cell.readings import ArmReadings, Cell, ObjectPose
from tmrl_cell.rendering import CameraRenderer

Array = NDArray[np.float64]

CONTROL_PERIOD_S = 0.2
"""One BridgeData action: 5 Hz."""

_POT_INNER_RADIUS_M = 0.057
_POT_HEIGHT_M = 0.050
_OPEN_ENOUGH = 0.7
_REST_HEIGHT_M = 0.014
_SETTLE_STEPS = 20


class WidowXCell(Cell):
    """A simulated WidowX 250 6-DoF with its table. Not safe to share between threads."""

    def __init__(self, *, picture_quality: bool = False) -> None:
        """Loads the model.

        Args:
            picture_quality: Render with shadows, smooth edges and curves: for figures,
                ten times slower or more without a GPU.
        """
        model_path = files("tmrl_cell").joinpath("model", "cell.xml")
        self.model = mujoco.MjModel.from_xml_path(str(model_path))
        if picture_quality:
            self.model.vis.quality.shadowsize = 2048
            self.model.vis.quality.offsamples = 4
            self.model.vis.quality.numslices = 32
            self.model.vis.quality.numstacks = 16
        self._data = mujoco.MjData(self.model)
        self._ik = InverseKinematics(self.model)
        self._timestep_s = float(self.model.opt.timestep)
        self._renderers: dict[tuple[int, int], CameraRenderer] = {}
        self._index_model()
        self._target = np.zeros(self.model.na)
        self._arrival_s = 0.0
        self._gripper_commanded = 1.0

    def _index_model(self) -> None:
        joints = [self.model.joint(name) for name in ARM_JOINTS]
        fingers = [self.model.joint(name) for name in ("left_finger", "right_finger")]
        self._arm_qpos = np.array([joint.qposadr[0] for joint in joints])
        self._arm_dof = np.array([joint.dofadr[0] for joint in joints])
        self._finger_qpos = np.array([joint.qposadr[0] for joint in fingers])
        self._finger_travel_m = float(fingers[0].range[1])
        self._object_qpos = {name: int(self.model.joint(name).qposadr[0]) for name in OBJECTS}
        self._tool_site = self.model.site("tool").id

    @property
    def joint_limits_rad(self) -> tuple[Array, Array]:
        """Lower and upper joint limits, each of shape (6,) [rad]."""
        return self._ik.low_rad.copy(), self._ik.high_rad.copy()

    def reset(self, layout: Layout) -> ArmReadings:
        """Puts the arm at the start pose, gripper open and down, and lays out the objects.

        Args:
            layout: Object and tool positions in the base frame [m].

        Returns:
            The arm's state once the objects have settled.

        Raises:
            UnreachableTargetError: The arm cannot reach the start pose of `layout`.
        """
        joints = self._ik.solve_anywhere(np.asarray(layout.tool_position_m), TOOL_DOWN_WXYZ)
        data = self._data
        mujoco.mj_resetData(self.model, data)
        data.qpos[self._arm_qpos] = joints
        data.qpos[self._finger_qpos] = self._finger_travel_m
        self._lay("carrot", layout.carrot_xy_m, layout.carrot_yaw_rad)
        self._lay("sausage", layout.sausage_xy_m, layout.sausage_yaw_rad)
        self._hold_here()
        mujoco.mj_step(self.model, data, nstep=_SETTLE_STEPS)
        data.time = 0.0
        mujoco.mj_forward(self.model, data)
        return self.readings()

    def _lay(self, name: str, xy_m: tuple[float, float], yaw_rad: float) -> None:
        start = self._object_qpos[name]
        pose = (*xy_m, _REST_HEIGHT_M, np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2))
        self._data.qpos[start : start + 7] = pose

    def _hold_here(self) -> None:
        """Makes the present joint positions the servos' set points."""
        data = self._data
        data.act[:6] = data.qpos[self._arm_qpos]
        data.act[6:] = data.qpos[self._finger_qpos]
        data.ctrl[:] = 0.0
        self._target[:] = data.act
        self._arrival_s = 0.0
        self._gripper_commanded = float(data.act[6:].mean()) / self._finger_travel_m

    def command(
        self,
        position_m: Array,
        quaternion_wxyz: Array,
        gripper_opening: float,
        duration_s: float = CONTROL_PERIOD_S,
    ) -> None:
        """Sets a new target; `advance` then moves the joint set points to it in a straight line.

        Args:
            position_m: Shape (3,), tool position in the base frame [m].
            quaternion_wxyz: Shape (4,), tool rotation in the base frame, scalar first.
            gripper_opening: 0 (closed) to 1 (open).
            duration_s: Time until the set points arrive [s].

        Raises:
            ValueError: A value is not finite, or the opening lies outside of 0 to 1.
            UnreachableTargetError: The arm cannot reach the pose; the former target stays.
        """
        if not (np.isfinite(position_m).all() and np.isfinite(quaternion_wxyz).all()):
            raise ValueError(
                f"target pose {position_m}, {quaternion_wxyz} is not finite; send finite numbers"
            )
        if not 0.0 <= gripper_opening <= 1.0:
            raise ValueError(
                f"gripper opening {gripper_opening} is outside of 0 (closed) to 1 (open); clip it"
            )
        if not duration_s > 0.0:
            raise ValueError(f"duration {duration_s} s is not positive; the control period is 0.2")
        self._target[:6] = self._ik.solve(position_m, quaternion_wxyz, self._target[:6])
        self._target[6:] = gripper_opening * self._finger_travel_m
        self._gripper_commanded = float(gripper_opening)
        self._arrival_s = self._data.time + duration_s

    def hold(self) -> None:
        """Stops the set points where they are now, arm and fingers alike."""
        self._target[:] = self._data.act
        self._arrival_s = float(self._data.time)

    def advance(self, duration_s: float) -> ArmReadings:
        """Runs the physics for `duration_s` [s], rounded to whole physics steps of 5 ms."""
        steps = max(1, round(duration_s / self._timestep_s))
        under_way = round((self._arrival_s - self._data.time) / self._timestep_s)
        moving = min(steps, max(under_way, 0))
        if moving:
            self._run(moving, under_way)
        if steps > moving:
            # The arm has arrived; only a finger slowed by its speed limit is still in progress.
            self._run(steps - moving, steps - moving)
        mujoco.mj_kinematics(self.model, self._data)
        return self.readings()

    def _run(self, steps: int, steps_to_target: int) -> None:
        """Runs `steps` physics steps at the speed that reaches the target in `steps_to_target`."""
        speed = (self._target - self._data.act) / (steps_to_target * self._timestep_s)
        self._data.ctrl[:] = speed
        mujoco.mj_step(self.model, self._data, nstep=steps)

    def readings(self) -> ArmReadings:
        """The arm's state now."""
        data = self._data
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, data.site_xmat[self._tool_site])
        opening = float(data.qpos[self._finger_qpos].mean()) / self._finger_travel_m
        return ArmReadings(
            time_s=float(data.time),
            joint_position_rad=data.qpos[self._arm_qpos],
            joint_velocity_rad_s=data.qvel[self._arm_dof],
            tool_position_m=data.site_xpos[self._tool_site].copy(),
            tool_quaternion_wxyz=quaternion,
            gripper_opening=min(max(opening, 0.0), 1.0),
            gripper_commanded=self._gripper_commanded,
        )

    def object_poses(self) -> dict[str, ObjectPose]:
        """Pose of every object by name, base frame."""
        qpos = self._data.qpos
        return {
            name: ObjectPose(qpos[start : start + 3].copy(), qpos[start + 3 : start + 7].copy())
            for name, start in self._object_qpos.items()
        }

    def objects_in_pot(self) -> frozenset[str]:
        """Names of the objects whose centre is inside the pot, held or not."""
        inside: set[str] = set()
        for name, start in self._object_qpos.items():
            x, y, z = self._data.qpos[start : start + 3]
            distance_m = np.hypot(x - POT_POSITION_M[0], y - POT_POSITION_M[1])
            if distance_m < _POT_INNER_RADIUS_M and 0.0 < z < _POT_HEIGHT_M:
                inside.add(name)
        return frozenset(inside)

    def success(self, target: str) -> bool:
        """Whether `target` lies in the pot and the gripper is open.

        Raises:
            ValueError: `target` is not an object of this cell.
        """
        if target not in OBJECTS:
            raise ValueError(f"unknown target {target!r}; the objects are {', '.join(OBJECTS)}")
        opening = float(self._data.qpos[self._finger_qpos].mean()) / self._finger_travel_m
        return target in self.objects_in_pot() and opening > _OPEN_ENOUGH

    def render(self, camera: str, height: int = 224, width: int = 224) -> NDArray[np.uint8]:
        """Renders a picture; the first of each size opens a headless EGL context.

        Args:
            camera: `overview` or `wrist`.
            height: Picture height [px].
            width: Picture width [px].

        Returns:
            Shape (height, width, 3), RGB, uint8.

        Raises:
            ValueError: There is no such camera.
        """
        if camera not in CAMERAS:
            raise ValueError(f"unknown camera {camera!r}; the cameras are {', '.join(CAMERAS)}")
        if (height, width) not in self._renderers:
            self._renderers[height, width] = CameraRenderer(self.model, height, width)
        return self._renderers[height, width].render(self._data, camera)

    def places_in_picture(self, camera: str) -> NDArray[np.float32]:
        """Where the objects are in a camera's square picture, whatever hides them.

        Args:
            camera: `overview` or `wrist`.

        Returns:
            Shape (2, 3), in the order of `OBJECTS`; see `camera_model.places_in_picture`.
        """
        points_m = np.stack([pose.position_m for pose in self.object_poses().values()])
        return places_in_picture(self.model, self._data, camera, points_m)

    def snapshot(self) -> Array:
        """A copy of all joint and object positions, enough to draw this instant later."""
        return self._data.qpos.copy()

    def restore(self, qpos: Array) -> None:
        """Shows a snapshot again: everything at rest there, the arm holding its pose.

        Raises:
            ValueError: The snapshot comes from another model.
        """
        if qpos.shape != (self.model.nq,):
            raise ValueError(
                f"snapshot has shape {qpos.shape}, this cell needs ({self.model.nq},); "
                "take it from WidowXCell.snapshot()"
            )
        mujoco.mj_resetData(self.model, self._data)
        self._data.qpos[:] = qpos
        self._hold_here()
        mujoco.mj_forward(self.model, self._data)

    def close(self) -> None:
        """Releases the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
