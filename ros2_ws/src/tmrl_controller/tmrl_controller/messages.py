"""The messages that only the controller reads or writes (others: `tmrl_ros.chunk_messages`)."""

import numpy as np

from tmrl_controller.config import ControllerConfig
from tmrl_controller.decisions import ControllerStatus
from tmrl_controller.inputs import TeleopCommand
from tmrl_msgs import msg
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds


def teleop_command(message: msg.TeleopCommand) -> TeleopCommand:
    """A reading of a person's device, unchecked."""
    return TeleopCommand(
        robot=message.robot,
        active=message.active,
        linear_m_s=np.array(message.linear, dtype=np.float64),
        angular_rad_s=np.array(message.angular, dtype=np.float64),
        gripper=message.gripper_opening,
        device=message.device,
        stamp_ns=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def status_msg(
    status: ControllerStatus, config: ControllerConfig, stamp_ns: int
) -> msg.ControllerStatus:
    """The message about the controller's state and limits.

    Args:
        status: The state.
        config: The limits that stay as they are.
        stamp_ns: ROS time of now.
    """
    message = msg.ControllerStatus(
        robot=config.robot,
        mode=int(status.mode),
        reason=status.reason,
        waits_for=status.waits_for,
        sigma_cap=status.caps.sigma_cap,
        z_cap=status.caps.z_cap,
        epsilon_cap=status.caps.epsilon_cap,
        workspace_box=np.array(config.workspace_box, dtype=np.float64),
        max_translation_m=config.max_translation_m,
        max_rotation_rad=config.max_rotation_rad,
        started_epoch=status.started[0],
        started_sequence=status.started[1],
        overlap_arm_state_sequence=status.overlap_state,
        segments=status.segments,
        chunks_accepted=status.chunks_accepted,
        chunks_refused=status.chunks_refused,
        steps_clamped=status.steps_clamped,
        last_refusal_code=status.last_refusal_code,
        last_refusal=status.last_refusal,
        last_refusal_stamp=stamp_of_nanoseconds(status.last_refusal_stamp_ns),
    )
    message.header.stamp = stamp_of_nanoseconds(stamp_ns)
    return message
