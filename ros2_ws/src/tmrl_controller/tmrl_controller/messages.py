"""ROS messages to the core's inputs, and the core's decisions to ROS messages."""

# Generated messages are typed in part only.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from array import array

import numpy as np

from tmrl_controller.config import ControllerConfig
from tmrl_controller.decisions import ArmCommand, ChunkOutcome, ControllerStatus
from tmrl_controller.inputs import ActionChunk, ArmState, TeleopCommand
from tmrl_msgs import msg
from tmrl_ros.conversion import (
    from_float32_field,
    from_pose,
    to_float32_field,
    to_pose,
    to_stamp,
    to_uint8_field,
)


def arm_state(message: msg.ArmState) -> ArmState:
    """A measured state, unchecked."""
    position_m, quaternion = from_pose(message.x_base_tool)
    return ArmState(
        robot=message.robot,
        sequence=message.sequence,
        position_m=position_m,
        quaternion=quaternion,
        gripper_command=message.gripper_command,
        joint_position_rad=np.array(message.joint_position, dtype=np.float64),
        fault=message.fault,
    )


def action_chunk(message: msg.ActionChunk) -> ActionChunk:
    """A chunk, unchecked."""
    return ActionChunk(
        robot=message.robot,
        session=message.session,
        episode=message.episode,
        chunk=message.chunk,
        sequence=message.sequence,
        agent_epoch=message.agent_epoch,
        arm_state_sequence=message.arm_state_sequence,
        action_space=message.action_space,
        horizon=message.horizon,
        action_dim=message.action_dim,
        execute_steps=message.execute_steps,
        actions=from_float32_field(message.actions),
        z=from_float32_field(message.z),
        sigma=message.sigma,
        epsilon=from_float32_field(message.epsilon),
    )


def teleop_command(message: msg.TeleopCommand) -> TeleopCommand:
    """A reading of a person's device, unchecked."""
    return TeleopCommand(
        robot=message.robot,
        active=message.active,
        linear_m_s=np.array(message.linear, dtype=np.float64),
        angular_rad_s=np.array(message.angular, dtype=np.float64),
        gripper=message.gripper_opening,
        device=message.device,
    )


def arm_command_msg(command: ArmCommand, robot: str, frame_id: str) -> msg.ArmCommand:
    """The message for the driver.

    Args:
        command: The command.
        robot: Name of the arm.
        frame_id: Its base frame.
    """
    message = msg.ArmCommand(
        robot=robot,
        sequence=command.sequence,
        arm_state_sequence=command.arm_state_sequence,
        mode=int(command.mode),
        x_base_tool=to_pose(command.target.position_m, command.target.quaternion),
        joint_velocity=array("d", command.joint_velocity_rad_s.tolist()),
        gripper_opening=command.target.gripper,
        duration_s=command.duration_s,
        valid_for_s=command.valid_for_s,
    )
    message.header.stamp = to_stamp(command.stamp_s)
    message.header.frame_id = frame_id
    return message


def outcome_msg(outcome: ChunkOutcome) -> msg.ChunkOutcome:
    """The message about the end of a chunk."""
    chunk = outcome.chunk
    steps, action_dim = outcome.executed_actions.shape
    message = msg.ChunkOutcome(
        robot=chunk.robot,
        session=chunk.session,
        episode=chunk.episode,
        chunk=chunk.chunk,
        sequence=chunk.sequence,
        agent_epoch=chunk.agent_epoch,
        result=int(outcome.result),
        code=outcome.code,
        reason=outcome.reason,
        started=to_stamp(outcome.started_s),
        steps=steps,
        action_dim=action_dim,
        executed_actions=to_float32_field(outcome.executed_actions),
        driver=to_uint8_field(outcome.driver),
        clamped=outcome.clamped.tolist(),
        step_ends=[to_stamp(end_s) for end_s in outcome.step_ends_s.tolist()],
        arm_state_sequence=outcome.arm_state_sequence,
    )
    message.header.stamp = to_stamp(outcome.ended_s)
    return message


def status_msg(
    status: ControllerStatus, config: ControllerConfig, stamp_s: float
) -> msg.ControllerStatus:
    """The message about the controller's state and limits.

    Args:
        status: The state.
        config: The limits.
        stamp_s: ROS time of now, s.
    """
    message = msg.ControllerStatus(
        robot=config.robot,
        mode=int(status.mode),
        reason=status.reason,
        waits_for=status.waits_for,
        sigma_cap=config.sigma_cap,
        z_cap=config.z_cap,
        workspace_box=np.array(config.workspace_box, dtype=np.float64),
        max_translation_m=config.max_translation_m,
        max_rotation_rad=config.max_rotation_rad,
        chunks_accepted=status.chunks_accepted,
        chunks_refused=status.chunks_refused,
        steps_clamped=status.steps_clamped,
        last_refusal_code=status.last_refusal_code,
        last_refusal=status.last_refusal,
        last_refusal_stamp=to_stamp(status.last_refusal_stamp_s),
    )
    message.header.stamp = to_stamp(stamp_s)
    return message
