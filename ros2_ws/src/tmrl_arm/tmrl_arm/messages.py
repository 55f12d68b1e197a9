"""The messages of an arm, made once and filled anew for each state."""

# Generated messages are typed in part only.
# pyright: standard

import array

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray

from tmrl_arm.driver import ArmCommand
from tmrl_arm.reports import Report
from tmrl_msgs import msg
from tmrl_ros.conversion import from_pose

Array = NDArray[np.float64]


def to_command(message: msg.ArmCommand) -> ArmCommand:
    """A setpoint as it arrived, unchecked."""
    position_m, quaternion_xyzw = from_pose(message.x_base_tool)
    return ArmCommand(
        robot=message.robot,
        sequence=message.sequence,
        arm_state_sequence=message.arm_state_sequence,
        mode=message.mode,
        position_m=position_m,
        quaternion_xyzw=quaternion_xyzw,
        joint_velocity_rad_s=np.array(message.joint_velocity),
        gripper_opening=message.gripper_opening,
        duration_s=message.duration_s,
        valid_for_s=message.valid_for_s,
    )


def fill_arm_state(message: msg.ArmState, report: Report, stamp: Time) -> None:
    """Makes an ArmState say what is reported; robot, frame and joint names are its maker's."""
    reading = report.reading
    message.header.stamp = stamp
    message.sequence = report.sequence
    message.joint_position = to_float64_field(reading.joint_position_rad)
    message.joint_velocity = to_float64_field(reading.joint_velocity_rad_s)
    message.joint_effort = to_float64_field(reading.joint_effort_nm)
    p, q = message.x_base_tool.position, message.x_base_tool.orientation
    p.x, p.y, p.z = reading.tool_position_m.tolist()
    q.x, q.y, q.z, q.w = reading.tool_quaternion_xyzw.tolist()
    message.gripper_opening = reading.gripper_opening
    message.gripper_command = reading.gripper_commanded
    message.fault = report.fault


def to_float64_field(values: Array) -> "array.array[float]":
    """A float64[] field from an array, without a Python loop."""
    return array.array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())
