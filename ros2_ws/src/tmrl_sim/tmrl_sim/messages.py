"""The messages of the simulation, made once and filled again for each measurement.

Their arrays are filled through the buffer protocol, and all share one stamp: a step costs no more
than the assignments.
"""

# Generated messages are typed in part only.

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, TransformStamped
from numpy.typing import NDArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from tmrl_cell.camera_model import CameraMount, Pinhole
from tmrl_cell.kinematics import ARM_JOINTS
from tmrl_cell.layouts import OBJECTS
from tmrl_common.arm import ArmState
from tmrl_msgs import msg
from tmrl_msgs.msg import ObjectPoses, SuccessDetection
from tmrl_ros.arm_topics import tool_frame
from tmrl_ros.camera_info import fill_camera_info
from tmrl_ros.chunk_messages import fill_arm_state
from tmrl_ros.conversion import to_uint8_field
from tmrl_ros.transforms import transform_of
from tmrl_sim.core import Measurement
from tmrl_sim.params import SimConfig

Array = NDArray[np.float64]

_NANO = 1_000_000_000
_NO_EFFORT = np.zeros(0)


class MeasurementMessages:
    """The messages about one measurement.

    Attributes:
        clock: For /clock.
        objects: For perception/objects.
        success: For task/success.
        arm_state: For arm/state.
    """

    def __init__(
        self,
        config: SimConfig,
        joints: tuple[str, ...] = ARM_JOINTS,
        objects: tuple[str, ...] = OBJECTS,
    ) -> None:
        """Fills in what never changes.

        Args:
            config: Names the robot.
            joints: Names of the arm's joints.
            objects: Names of what stands on the table.
        """
        self._joints, self._objects = joints, objects
        self._stamp = Time()
        self.clock = Clock(clock=self._stamp)
        self.objects = ObjectPoses(
            robot=config.robot, names=list(objects), poses=[Pose() for _ in objects]
        )
        self.success = SuccessDetection(robot=config.robot, confidence=1.0, ground_truth=True)
        self.arm_state = msg.ArmState(robot=config.robot, joint_names=list(joints))
        for message in (self.objects, self.success, self.arm_state):
            message.header.frame_id = config.base_frame
            message.header.stamp = self._stamp

    def fill(self, measurement: Measurement) -> None:
        """Makes every message say what was measured."""
        self._stamp.sec, self._stamp.nanosec = divmod(measurement.stamp_ns, _NANO)
        for name, pose in zip(self._objects, self.objects.poses, strict=True):
            found = measurement.objects[name]
            fill_pose(pose, found.position_m, found.quaternion_wxyz)
        self.success.success = measurement.success
        self.success.detail = measurement.detail
        arm, state = measurement.arm, self.arm_state
        fill_arm_state(
            state,
            ArmState(
                robot=state.robot,
                sequence=measurement.sequence,
                joint_names=self._joints,
                joint_position_rad=arm.joint_position_rad,
                joint_velocity_rad_s=arm.joint_velocity_rad_s,
                joint_effort_nm=_NO_EFFORT,
                position_m=arm.tool_position_m,
                quaternion_xyzw=np.roll(arm.tool_quaternion_wxyz, -1),
                gripper_opening=arm.gripper_opening,
                gripper_command=arm.gripper_commanded,
                last_command_sequence=measurement.last_command,
                holding=measurement.holding,
                fault=measurement.fault,
                stamp_ns=measurement.stamp_ns,
                frame_id=state.header.frame_id,
            ),
        )

    def image(self, camera: str, pixels: NDArray[np.uint8]) -> Image:
        """A picture with the stamp of the last measurement.

        Args:
            camera: Its name, for the frame.
            pixels: Shape (height, width, 3), uint8, RGB.
        """
        height, width, _ = pixels.shape
        message = Image(
            height=height,
            width=width,
            encoding="rgb8",
            step=3 * width,
            data=to_uint8_field(pixels),
        )
        message.header = self._header_of(camera)
        return message

    def camera_info(self, camera: str, lens: Pinhole, size_px: int) -> CameraInfo:
        """How a camera projects, with the stamp of the last measurement.

        Args:
            camera: Its name, for the frame.
            lens: Of this size of pictures.
            size_px: Width and height, pixels.
        """
        message = CameraInfo(header=self._header_of(camera))
        focal_px = (lens.focal_px, lens.focal_px)
        fill_camera_info(message, (size_px, size_px), focal_px, lens.centre_px)
        return message

    def camera_frame(self, camera: str, where: CameraMount) -> TransformStamped:
        """Where a camera's optical frame is, in the base frame or in that of the tool."""
        robot, pose = self.arm_state.robot, Pose()
        fill_pose(pose, where.position_m, where.quaternion_wxyz)
        parent = tool_frame(robot) if where.on_tool else self.arm_state.header.frame_id
        header = Header(stamp=self._stamp, frame_id=parent)
        return transform_of(header, f"{robot}/{camera}", pose)

    def _header_of(self, camera: str) -> Header:
        return Header(stamp=self._stamp, frame_id=f"{self.arm_state.robot}/{camera}")


def fill_pose(pose: Pose, position_m: Array, quaternion_wxyz: Array) -> None:
    """Makes a pose say position, shape (3,) [m], and rotation, shape (4,), scalar first."""
    p, q = pose.position, pose.orientation
    p.x, p.y, p.z = position_m.tolist()
    q.w, q.x, q.y, q.z = quaternion_wxyz.tolist()
