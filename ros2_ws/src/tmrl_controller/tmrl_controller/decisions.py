"""What the controller decides, as plain values: commands for the arm, outcomes, its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.chunks import ChunkOutcome, ControllerMode
from tmrl_common.geometry import Vector
from tmrl_common.types import SteeringLimits
from tmrl_controller.limiter import NO_JOINTS, Limit, Limited, Setpoint


@dataclass(frozen=True)
class LimitedCommand:
    """One command for the driver, together with what lets it move the arm: the limiter's word.

    Attributes:
        goal: What the limiter let through: nothing else moves the arm; or where to hold still, for
            the record: drivers stop where they are, and leave the gripper as it is.
        sequence: Counts up by one.
        arm_state_sequence: The newest arm state that the controller had seen.
        duration_s: Time to reach the target, s; 0 for a hold.
        valid_for_s: The driver holds by itself after this without a newer command, s.
        stamp_ns: ROS time of the decision.
    """

    goal: Limited | Setpoint
    sequence: int
    arm_state_sequence: int
    duration_s: float
    valid_for_s: float
    stamp_ns: int

    @property
    def mode(self) -> CommandMode:
        """HOLD stops within the driver's deceleration limit; the others move."""
        if not isinstance(self.goal, Limited):
            return CommandMode.HOLD
        by_joints = len(self.goal.motion.joint_velocity_rad_s) > 0
        return CommandMode.JOINT_VELOCITY if by_joints else CommandMode.CARTESIAN_POSE

    @property
    def target(self) -> Setpoint:
        """Pose of the tool and opening of the gripper."""
        return self.goal.motion.setpoint if isinstance(self.goal, Limited) else self.goal

    def to_arm(self, robot: str, frame_id: str) -> ArmCommand:
        """The same as it travels.

        Args:
            robot: Name of the arm.
            frame_id: Its base frame.
        """
        return ArmCommand(
            robot=robot,
            sequence=self.sequence,
            arm_state_sequence=self.arm_state_sequence,
            mode=self.mode,
            position_m=self.target.position_m,
            quaternion_xyzw=self.target.quaternion,
            joint_velocity_rad_s=self.joint_velocity_rad_s,
            gripper_opening=self.target.gripper,
            duration_s=self.duration_s,
            valid_for_s=self.valid_for_s,
            stamp_ns=self.stamp_ns,
            frame_id=frame_id,
        )

    @property
    def joint_velocity_rad_s(self) -> Vector:
        """Of each joint, shape (n,), rad/s; empty in other modes than JOINT_VELOCITY."""
        return (
            self.goal.motion.joint_velocity_rad_s if isinstance(self.goal, Limited) else NO_JOINTS
        )


@dataclass(frozen=True)
class ControllerStatus:
    """The controller as people and the agent see it (tmrl_msgs/ControllerStatus).

    Attributes:
        mode: Who may move the arm.
        reason: Why it is in this mode, one sentence.
        caps: On the steering of the next chunk.
        waits_for: Who must be there before the policy can drive; empty when all are.
        started: Agent epoch and sequence number of the newest chunk that has begun; ("", 0) before.
        overlap_state: First arm state at which no more than `overlap_steps` were left of that
            chunk: what the next one is to answer; 0 until then.
        segments: Of a person's driving, each with an outcome, since the start.
        chunks_accepted: Since the start.
        chunks_refused: Since the start.
        steps_clamped: Since the start.
        last_refusal_code: Of a chunk or of a takeover; empty before the first.
        last_refusal: Its sentence.
        last_refusal_stamp_ns: Its ROS time.
        limits_acted: How often each limit changed a setpoint, since the start.
    """

    mode: ControllerMode
    reason: str
    caps: SteeringLimits
    waits_for: str = ""
    started: tuple[str, int] = ("", 0)
    overlap_state: int = 0
    segments: int = 0
    chunks_accepted: int = 0
    chunks_refused: int = 0
    steps_clamped: int = 0
    last_refusal_code: str = ""
    last_refusal: str = ""
    last_refusal_stamp_ns: int = 0
    limits_acted: Mapping[Limit, int] = field(default_factory=dict[Limit, int])


Report = ChunkOutcome | ControllerStatus
Decision = LimitedCommand | Report
