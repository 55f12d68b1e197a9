"""What is published of a driver's reading."""

from tmrl_arm.reports import Report
from tmrl_common.arm import ArmState


def arm_state(
    report: Report, robot: str, joint_names: tuple[str, ...], stamp_ns: int, frame_id: str
) -> ArmState:
    """The state of the arm that a report tells of.

    Args:
        report: The reading, its number and what is wrong.
        robot: Name of the arm.
        joint_names: In the order of the reading's joints.
        stamp_ns: ROS time of the measurement.
        frame_id: Name of the base frame.
    """
    reading = report.reading
    return ArmState(
        robot=robot,
        sequence=report.sequence,
        joint_names=joint_names,
        joint_position_rad=reading.joint_position_rad,
        joint_velocity_rad_s=reading.joint_velocity_rad_s,
        joint_effort_nm=reading.joint_effort_nm,
        position_m=reading.tool_position_m,
        quaternion_xyzw=reading.tool_quaternion_xyzw,
        gripper_opening=reading.gripper_opening,
        gripper_command=reading.gripper_commanded,
        last_command_sequence=report.taken,
        holding=report.holding,
        fault=report.fault,
        stamp_ns=stamp_ns,
        frame_id=frame_id,
    )
