"""ROS messages to the core's values, and the core's effects to ROS messages."""

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.assembly import ArmReading, Reading
from tmrl_agent.bridge_angles import bridge_angles_rad
from tmrl_agent.effects import AgentStatus
from tmrl_agent.events import ControllerView, EpisodeLabel, EpisodeView, LearnerView, SentChunk
from tmrl_agent.frames import ImageReading
from tmrl_agent.images import CompressedPicture, RawPicture
from tmrl_agent.params import AgentConfig
from tmrl_common.chunks import ActionChunk, ControllerMode
from tmrl_common.types import Outcome
from tmrl_msgs import msg
from tmrl_ros.chunk_messages import arm_state
from tmrl_ros.conversion import nanoseconds

_NS_PER_S = 1_000_000_000


def arm_reading(message: msg.ArmState, received_s: float) -> ArmReading:
    """The arm's state with every value that an observation may name.

    Raises:
        ValueError: The tool's rotation is none.
    """
    state = arm_state(message)
    x_m, y_m, z_m = state.position_m.tolist()
    qx, qy, qz, qw = state.quaternion_xyzw.tolist()
    angles_rad = bridge_angles_rad((qx, qy, qz, qw))
    values = {
        **{"tool_x": x_m, "tool_y": y_m, "tool_z": z_m},
        **{"tool_qx": qx, "tool_qy": qy, "tool_qz": qz, "tool_qw": qw},
        **dict(zip(("tool_roll", "tool_pitch", "tool_yaw"), angles_rad, strict=True)),
        "gripper_opening": state.gripper_opening,
        "gripper_closing": 1.0 - state.gripper_opening,
        "gripper_command": state.gripper_command,
    }
    joints = zip(state.joint_names, state.joint_position_rad.tolist(), strict=False)
    values |= {f"joint.{name}": position for name, position in joints}
    return ArmReading(
        stamp_ns=state.stamp_ns,
        received_s=received_s,
        values=values,
        sequence=state.sequence,
        fault=state.fault,
        frame_id=state.frame_id,
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


def controller_view(message: msg.ControllerStatus, epoch: str) -> ControllerView:
    """Mode and caps of the controller, and how far it is.

    Args:
        message: Its status.
        epoch: Of this agent; a chunk of another one is none of its own.
    """
    ours = message.started_epoch == epoch
    return ControllerView(
        mode=ControllerMode(message.mode),
        sigma_cap=message.sigma_cap,
        z_cap=message.z_cap,
        epsilon_cap=message.epsilon_cap,
        started_sequence=message.started_sequence if ours else 0,
        segments=message.segments,
        overlap_state=message.overlap_arm_state_sequence if ours else 0,
    )


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


def action_chunk(sent: SentChunk, config: AgentConfig, epoch: str) -> ActionChunk:
    """A chunk for the controller."""
    reply = sent.reply
    horizon, action_dim = reply.actions.shape
    return ActionChunk(
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
        follows=sent.follows,
        committed_steps=sent.committed_steps,
        actions=reply.actions.ravel(),
        z=reply.steering.z,
        sigma=reply.steering.sigma,
        epsilon=reply.steering.epsilon,
        stamp_ns=sent.stamp_ns,
        frame_id=sent.frame_id,
        steering=reply.steering.source.value,
        actor_version=reply.actor_version,
        policy_version=reply.policy_version,
        seed=reply.seed,
    )


def status_msg(status: AgentStatus, config: AgentConfig, epoch: str) -> msg.AgentStatus:
    """The agent's health; the stamp is left to the node."""
    message = msg.AgentStatus(
        robot=config.robot,
        session=config.session,
        agent_epoch=epoch,
        server_connected=not status.connection.problem,
        server=config.server,
        policy_version=status.connection.policy_version,
        transitions_published=status.last_transition,
        reason=status.reason,
        waits_for=status.waits_for,
    )
    last = status.last_sent
    if last is not None:
        message.chunks_published = last.sequence
        message.actor_version = last.reply.actor_version
        message.round_trip_s = last.round_trip_s
        message.inference_s = last.reply.timings.total_s
    return message
