"""Messages of chunks and of the arm to the values of `tmrl_common`, and back: once for all nodes.

What is read is not checked here, except that arrays have the lengths that they claim: whether a
value may move an arm is for its receiver to say.
"""

# Generated messages are typed in part only.

import array
from dataclasses import fields

import numpy as np

from tmrl_common.arm import ArmCommand, ArmState
from tmrl_common.chunks import ActionChunk, ChunkId, ChunkOutcome, ChunkResult, Origin
from tmrl_common.geometry import Vector
from tmrl_msgs import msg
from tmrl_ros.conversion import (
    from_float32_field,
    from_pose,
    nanoseconds,
    stamp_of_nanoseconds,
    to_float32_field,
    to_pose,
    to_uint8_field,
)

_ID = tuple(field.name for field in fields(ChunkId))
_SAME_IN_CHUNK = (
    *_ID,
    "arm_state_sequence",
    "action_space",
    "horizon",
    "action_dim",
    "execute_steps",
    "follows",
    "committed_steps",
    "sigma",
    "steering",
    "actor_version",
    "policy_version",
    "seed",
)


def to_float64_field(values: Vector) -> "array.array[float]":
    """A float64[] field from an array, without a Python loop."""
    return array.array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())


def action_chunk(message: msg.ActionChunk) -> ActionChunk:
    """A chunk as it arrived."""
    return ActionChunk(
        **{name: getattr(message, name) for name in _SAME_IN_CHUNK},
        actions=from_float32_field(message.actions),
        z=from_float32_field(message.z),
        epsilon=from_float32_field(message.epsilon),
        stamp_ns=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def action_chunk_msg(chunk: ActionChunk) -> msg.ActionChunk:
    """The message that proposes a chunk."""
    message = msg.ActionChunk(**{name: getattr(chunk, name) for name in _SAME_IN_CHUNK})
    message.actions = to_float32_field(chunk.actions)
    message.z = to_float32_field(chunk.z)
    message.epsilon = to_float32_field(chunk.epsilon)
    message.header.stamp = stamp_of_nanoseconds(chunk.stamp_ns)
    message.header.frame_id = chunk.frame_id
    return message


def chunk_outcome(message: msg.ChunkOutcome) -> ChunkOutcome:
    """What became of a chunk.

    Raises:
        ValueError: Its arrays do not have the lengths that it claims, or there is no such result.
    """
    steps = message.steps
    outcome = ChunkOutcome(
        chunk=ChunkId(**{name: getattr(message, name) for name in _ID}),
        result=ChunkResult(message.result),
        code=message.code,
        reason=message.reason,
        started_ns=nanoseconds(message.started),
        ended_ns=nanoseconds(message.header.stamp),
        executed_actions=from_float32_field(message.executed_actions, steps, message.action_dim),
        driver=np.array(message.driver, dtype=np.uint8),
        clamped=np.array(message.clamped, dtype=np.bool_),
        step_ends_ns=np.array([nanoseconds(end) for end in message.step_ends], dtype=np.int64),
        arm_state_sequence=message.arm_state_sequence,
        origin=Origin(message.origin),
        first_arm_state_sequence=message.first_arm_state_sequence,
    )
    for name in ("driver", "clamped", "step_ends_ns"):
        size = getattr(outcome, name).size
        if size != steps:
            raise ValueError(
                f"the outcome of chunk {message.sequence} claims {steps} steps and holds {size} "
                f"values of {name}: check its sender"
            )
    return outcome


def chunk_outcome_msg(outcome: ChunkOutcome) -> msg.ChunkOutcome:
    """The message about the end of a chunk."""
    steps, action_dim = outcome.executed_actions.shape
    message = msg.ChunkOutcome(
        **{name: getattr(outcome.chunk, name) for name in _ID},
        result=int(outcome.result),
        code=outcome.code,
        reason=outcome.reason,
        started=stamp_of_nanoseconds(outcome.started_ns),
        steps=steps,
        action_dim=action_dim,
        executed_actions=to_float32_field(outcome.executed_actions),
        driver=to_uint8_field(outcome.driver),
        clamped=outcome.clamped.tolist(),
        step_ends=[stamp_of_nanoseconds(end_ns) for end_ns in outcome.step_ends_ns.tolist()],
        arm_state_sequence=outcome.arm_state_sequence,
        origin=outcome.origin.value,
        first_arm_state_sequence=outcome.first_arm_state_sequence,
    )
    message.header.stamp = stamp_of_nanoseconds(outcome.ended_ns)
    return message


def arm_command(message: msg.ArmCommand) -> ArmCommand:
    """A setpoint as it arrived."""
    position_m, quaternion_xyzw = from_pose(message.x_base_tool)
    return ArmCommand(
        robot=message.robot,
        sequence=message.sequence,
        arm_state_sequence=message.arm_state_sequence,
        mode=message.mode,
        position_m=position_m,
        quaternion_xyzw=quaternion_xyzw,
        joint_velocity_rad_s=np.array(message.joint_velocity, dtype=np.float64),
        gripper_opening=message.gripper_opening,
        duration_s=message.duration_s,
        valid_for_s=message.valid_for_s,
        stamp_ns=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def arm_command_msg(command: ArmCommand) -> msg.ArmCommand:
    """The message for the driver."""
    message = msg.ArmCommand(
        robot=command.robot,
        sequence=command.sequence,
        arm_state_sequence=command.arm_state_sequence,
        mode=int(command.mode),
        x_base_tool=to_pose(command.position_m, command.quaternion_xyzw),
        joint_velocity=to_float64_field(command.joint_velocity_rad_s),
        gripper_opening=command.gripper_opening,
        duration_s=command.duration_s,
        valid_for_s=command.valid_for_s,
    )
    message.header.stamp = stamp_of_nanoseconds(command.stamp_ns)
    message.header.frame_id = command.frame_id
    return message


def arm_state(message: msg.ArmState) -> ArmState:
    """A measured state as it arrived."""
    position_m, quaternion_xyzw = from_pose(message.x_base_tool)
    return ArmState(
        robot=message.robot,
        sequence=message.sequence,
        joint_names=tuple(message.joint_names),
        joint_position_rad=np.array(message.joint_position, dtype=np.float64),
        joint_velocity_rad_s=np.array(message.joint_velocity, dtype=np.float64),
        joint_effort_nm=np.array(message.joint_effort, dtype=np.float64),
        position_m=position_m,
        quaternion_xyzw=quaternion_xyzw,
        gripper_opening=message.gripper_opening,
        gripper_command=message.gripper_command,
        last_command_sequence=message.last_command_sequence,
        holding=message.holding,
        fault=message.fault,
        stamp_ns=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def fill_arm_state(message: msg.ArmState, state: ArmState) -> None:
    """Makes a message say what was measured; its robot, frame and joint names are its maker's.

    A driver publishes many states a second and fills one message again and again.
    """
    message.header.stamp = stamp_of_nanoseconds(state.stamp_ns)
    message.sequence = state.sequence
    message.joint_position = to_float64_field(state.joint_position_rad)
    message.joint_velocity = to_float64_field(state.joint_velocity_rad_s)
    message.joint_effort = to_float64_field(state.joint_effort_nm)
    p, q = message.x_base_tool.position, message.x_base_tool.orientation
    p.x, p.y, p.z = state.position_m.tolist()
    q.x, q.y, q.z, q.w = state.quaternion_xyzw.tolist()
    message.gripper_opening = state.gripper_opening
    message.gripper_command = state.gripper_command
    message.last_command_sequence = state.last_command_sequence
    message.holding = state.holding
    message.fault = state.fault
