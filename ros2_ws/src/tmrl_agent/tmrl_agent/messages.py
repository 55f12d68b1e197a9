"""ROS messages to the core's values, and the core's decisions to ROS messages."""

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.assembly import ArmReading, Reading
from tmrl_agent.bridge_angles import bridge_angles_rad
from tmrl_agent.core import AgentCore
from tmrl_agent.events import (
    ChunkEnd,
    ChunkResult,
    ControllerMode,
    ControllerView,
    EpisodeLabel,
    EpisodeView,
    LearnerView,
    SentChunk,
)
from tmrl_agent.frames import ImageReading
from tmrl_agent.images import CompressedPicture, RawPicture
from tmrl_agent.params import AgentConfig
from tmrl_common.types import Outcome
from tmrl_msgs import msg
from tmrl_ros.conversion import (
    from_float32_field,
    nanoseconds,
    stamp_of_nanoseconds,
    to_float32_field,
)

_NS_PER_S = 1_000_000_000


def arm_reading(message: msg.ArmState, received_s: float) -> ArmReading:
    """The arm's state with every value that an observation may name.

    Raises:
        ValueError: The tool's rotation is none.
    """
    position, turn = message.x_base_tool.position, message.x_base_tool.orientation
    angles_rad = bridge_angles_rad((turn.x, turn.y, turn.z, turn.w))
    values = {
        **{"tool_x": position.x, "tool_y": position.y, "tool_z": position.z},
        **{"tool_qx": turn.x, "tool_qy": turn.y, "tool_qz": turn.z, "tool_qw": turn.w},
        **dict(zip(("tool_roll", "tool_pitch", "tool_yaw"), angles_rad, strict=True)),
        "gripper_opening": message.gripper_opening,
        "gripper_closing": 1.0 - message.gripper_opening,
        "gripper_command": message.gripper_command,
    }
    joints = zip(message.joint_names, message.joint_position, strict=False)
    values |= {f"joint.{name}": position for name, position in joints}
    return ArmReading(
        stamp_ns=nanoseconds(message.header.stamp),
        received_s=received_s,
        values=values,
        sequence=message.sequence,
        fault=message.fault,
        frame_id=message.header.frame_id,
    )


def objects_reading(message: msg.ObjectPoses, received_s: float) -> Reading:
    """The positions of the objects, each coordinate by name."""
    values: dict[str, float] = {}
    for name, pose in zip(message.names, message.poses, strict=False):
        p = pose.position
        values |= {f"{name}.x": p.x, f"{name}.y": p.y, f"{name}.z": p.z}
    return Reading(nanoseconds(message.header.stamp), received_s, values)


def image_reading(message: Image | CompressedImage, received_s: float) -> ImageReading:
    """A picture; one that cannot be used comes with the reason, for the operator to see."""
    stamp_ns = nanoseconds(message.header.stamp)
    content: NDArray[np.uint8] = np.asarray(message.data, dtype=np.uint8)
    try:
        if isinstance(message, CompressedImage):
            picture = CompressedPicture(message.format, content)
        else:
            size = message.height, message.width, message.step
            picture = RawPicture(message.encoding, *size, content)
    except ValueError as error:
        return ImageReading(stamp_ns, received_s, None, str(error))
    return ImageReading(stamp_ns, received_s, picture)


def controller_view(message: msg.ControllerStatus) -> ControllerView:
    """Mode and caps of the controller."""
    return ControllerView(ControllerMode(message.mode), message.sigma_cap, message.z_cap)


def episode_view(message: msg.EpisodeState) -> EpisodeView:
    """Where the session stands."""
    return EpisodeView(
        episode=message.episode,
        running=message.state == msg.EpisodeState.RUNNING,
        first_arm_state_sequence=message.first_arm_state_sequence,
        started_ns=nanoseconds(message.started),
        time_limit_ns=round(message.time_limit_s * _NS_PER_S),
    )


def learner_view(message: msg.LearnerStatus) -> LearnerView:
    """How far the learner is."""
    return LearnerView(message.phase, message.contiguous_sequence, message.rounds_owed)


def episode_label(message: msg.EpisodeOutcome) -> EpisodeLabel:
    """How an episode ended.

    Raises:
        ValueError: There is no such outcome.
    """
    return EpisodeLabel(
        episode=message.episode,
        outcome=Outcome(message.outcome),
        stamp_ns=nanoseconds(message.header.stamp),
        revision=message.revision,
        source=message.source,
        detail=message.detail,
    )


def chunk_end(message: msg.ChunkOutcome) -> ChunkEnd:
    """What became of a chunk.

    Raises:
        ValueError: Its arrays do not have the lengths that it claims.
    """
    actions = from_float32_field(message.executed_actions, message.steps, message.action_dim)
    driver = np.array(message.driver, dtype=np.uint8)
    if driver.shape != (message.steps,):
        raise ValueError(f"outcome of chunk {message.sequence}: {driver.size} drivers")
    return ChunkEnd(
        sequence=message.sequence,
        result=ChunkResult(message.result),
        started_ns=nanoseconds(message.started),
        ended_ns=nanoseconds(message.header.stamp),
        executed_actions=actions,
        driver=driver,
        clamped=any(message.clamped),
        arm_state_sequence=message.arm_state_sequence,
        code=message.code,
        reason=message.reason,
    )


def chunk_msg(sent: SentChunk, config: AgentConfig, epoch: str) -> msg.ActionChunk:
    """A chunk for the controller."""
    reply = sent.reply
    horizon, action_dim = reply.actions.shape
    message = msg.ActionChunk(
        robot=config.robot,
        session=config.session,
        episode=sent.episode,
        chunk=sent.chunk,
        sequence=sent.sequence,
        agent_epoch=epoch,
        arm_state_sequence=sent.arm_state_sequence,
        action_space=config.action_space,
        horizon=horizon,
        action_dim=action_dim,
        execute_steps=config.execute_steps,
        actions=to_float32_field(reply.actions),
        steering=reply.steering.source.value,
        z=to_float32_field(reply.steering.z),
        sigma=reply.steering.sigma,
        epsilon=to_float32_field(reply.steering.epsilon),
        actor_version=reply.actor_version,
        policy_version=reply.policy_version,
        seed=reply.seed,
    )
    message.header.stamp = stamp_of_nanoseconds(sent.stamp_ns)
    message.header.frame_id = sent.frame_id
    return message


def status_msg(core: AgentCore, config: AgentConfig, epoch: str) -> msg.AgentStatus:
    """The agent's health; stamp and the journal's last number are left to the node."""
    message = msg.AgentStatus(
        robot=config.robot,
        session=config.session,
        agent_epoch=epoch,
        server_connected=not core.connection.problem,
        server=config.server,
        policy_version=core.connection.policy_version,
        reason=core.reason,
    )
    last = core.last_sent
    if last is not None:
        message.chunks_published = last.sequence
        message.actor_version = last.reply.actor_version
        message.round_trip_s = last.round_trip_s
        message.inference_s = last.reply.timings.total_s
    return message
