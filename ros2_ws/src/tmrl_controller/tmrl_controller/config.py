"""Configuration of the controller: what a rig allows, and how the controller is paced."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import pi
from types import MappingProxyType
from typing import Annotated

from tmrl_common.arm_drivers import find_driver
from tmrl_common.constraints import Live, NotEmpty, OneOf, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_common.kinematics import Kinematics
from tmrl_common.overlap import too_long
from tmrl_common.types import SteeringLimits
from tmrl_controller.ceilings import check_ages, check_speeds
from tmrl_controller.limiter import JointLimits, MotionLimits, ToolLimits


class Pacing(StrEnum):
    """What makes a control period pass."""

    STEADY = "steady"
    """Hardware: the steady clock, on a thread of the node's own."""
    STATE = "state"
    """Paced simulation: the stamps of the arm states."""
    LOCK_STEP = "lock_step"
    """Simulation that advances one control period per command, and only then."""


BRIDGE_DELTA_EE = "bridge_delta_ee_7"
"""dx dy dz [m], drx dry drz [rad, rotation vector in the base frame], gripper opening 0 to 1."""
DROID_JOINT_VELOCITY = "droid_joint_velocity_8"
"""Seven joint velocities in DROID's unit, 0.2 rad per control period (3 rad/s at 15 Hz),
then the gripper's closing, 0 open to 1 closed."""

ACTION_DIMS: Mapping[str, int] = MappingProxyType({BRIDGE_DELTA_EE: 7, DROID_JOINT_VELOCITY: 8})
"""The action spaces that the controller can execute, and the columns of each."""

_FOR_ONE_SPACE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        BRIDGE_DELTA_EE: (
            "max_translation_change_m",
            "max_rotation_change_rad",
            "max_lead_m",
            "max_lead_rad",
            "refuse_translation_m",
            "refuse_rotation_rad",
        ),
        DROID_JOINT_VELOCITY: (
            "kinematics",
            "joint_low_rad",
            "joint_high_rad",
            "max_joint_velocity_rad_s",
            "max_joint_acceleration_rad_s2",
            "refuse_joint_velocity_rad_s",
        ),
    }
)
"""Limits that only one action space has: it needs them, and the other may not have them."""

Positive = Annotated[float, Range(0.0, above=True)]
StepM = Annotated[float, Range(0.0, 0.5, unit="m")]
StepRad = Annotated[float, Range(0.0, pi, below=True, unit="rad")]
SpeedsRadS = Annotated[tuple[float, ...], Range(0.0, 6.3, above=True, unit="rad/s")]
AccelerationsRadS2 = Annotated[tuple[float, ...], Range(0.0, 30.0, above=True, unit="rad/s^2")]
AnglesRad = Annotated[tuple[float, ...], Range(-6.3, 6.3, unit="rad")]
AgeS = Annotated[float, Range(0.0, 60.0, above=True, unit="s")]
"""In simulation; of a real arm tmrl_controller.ceilings allows less."""
LoweredCap = Annotated[float, Range(0.0, above=True), Live(lower_only=True)]


@dataclass(frozen=True)
class ControllerConfig:
    """What one rig allows. The limits have no defaults: nobody else knows the rig.

    The limits that only one action space has are 0 or empty where they are not given, which their
    action space refuses.

    Attributes:
        robot: Name of the arm; messages for another one are refused.
        action_space: Meaning of an action row: "bridge_delta_ee_7" or "droid_joint_velocity_8".
        horizon: Rows of an action chunk.
        control_rate_hz: Action steps per second.
        workspace_box: x_min x_max y_min y_max z_min z_max of the tool in the base frame, m.
        max_translation_m: Longest translation of the tool's target per control period, m; with a
            real arm at most that of 1 m/s.
        max_rotation_rad: Largest rotation of the tool's target per control period, rad; with a real
            arm at most that of one turn per second.
        max_gripper_step: Largest change of the gripper's opening per control period, 0 to 1.
        sigma_cap: Largest context timestep of a chunk, 0 to 1.
        z_cap: Largest magnitude of a component of a chunk's z.
        epsilon_cap: Largest magnitude of a component of a chunk's context noise.
        max_chunk_age_s: Oldest arm state, by the time of its arrival here, that a chunk may answer,
            s; with a real arm at most 30.
        max_arm_state_age_s: Without a newer arm state the arm stops after this, s; with a real arm
            at most 1.
        max_teleop_age_s: Without a newer teleop command the takeover ends after this, s; with a
            real arm at most 1.
        max_translation_change_m: Seam limit: how far the translation of a step may differ from that
            of the step before, m per control period.
        max_rotation_change_rad: Seam limit of the rotation, rad per control period.
        max_lead_m: How far the target may run ahead of the measured tool, m: a blocked arm winds up
            no more than this, and an arm that was moved further than this from outside is held.
        max_lead_rad: The same for the rotation, rad.
        refuse_translation_m: A chunk with a longer step to be executed is refused whole, m.
        refuse_rotation_rad: A chunk with a larger rotation in a step is refused whole, rad.
        kinematics: Driver whose arm's geometry the joint limits are reckoned with; with real arms
            that of `arm.driver`.
        joint_low_rad: Lower ends of the seven joints, rad.
        joint_high_rad: Upper ends of the seven joints, rad.
        max_joint_velocity_rad_s: Largest speed of each joint, rad/s.
        max_joint_acceleration_rad_s2: Largest change of each joint's velocity, rad/s^2; the arm
            must be able to brake with it, since the way to the joints' ends is reckoned with it.
        refuse_joint_velocity_rad_s: A chunk that turns a joint faster is refused whole, rad/s.
        setpoint_grace_s: How long a setpoint stays valid beyond its period, s; with a real arm at
            most 0.5.
        tick_rate_hz: Rate of decisions, and of setpoints while a person drives, Hz.
        execute_steps: Steps of a segment of a person's driving until the first chunk came; then as
            many as the newest chunk executes. The launch takes agent.execute_steps.
        overlap_steps: So many steps before the end of a chunk the status says that the next one can
            be asked for; 0: never. The launch takes agent.overlap_steps.
        max_seam: Where a chunk continues another one without a stop: largest change of velocity
            between the two, in multiples of what the limits allow in one control period. Beyond it
            the chunk is refused; below it the limiter smooths it as ever.
        fifo_priority: Of the thread that ticks, 1 to 99 of SCHED_FIFO where the system allows it;
            the node's other callbacks run one below. 0 asks for nothing.
        pacing: "steady" (hardware), "state" (paced simulation) or "lock_step".
        simulated_arm: Whether nothing real moves, so that a busy machine may be slow. The launch
            sets it where the driver of the arm says so; with a real arm it is refused.
        estop_file: Remembers a latched e-stop, so that no restart clears it; empty, as in a
            simulation, remembers nothing.
        resume_after_teleop: Whether the policy continues by itself when a person lets go of the
            dead-man switch. False: the arm holds until controller/resume, so that a device put
            down by accident sets nothing in motion.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    action_space: Annotated[str, OneOf(*ACTION_DIMS)]
    horizon: Annotated[int, Range(1)]
    control_rate_hz: Annotated[float, Range(1.0, 250.0)]
    workspace_box: Annotated[tuple[float, ...], Range(-2.0, 2.0, unit="m")]
    max_translation_m: Annotated[float, Range(0.0, 0.5, above=True, unit="m")]
    max_rotation_rad: Annotated[float, Range(0.0, 1.5, above=True, unit="rad")]
    max_gripper_step: Annotated[float, Range(0.0, 1.0, above=True)]
    sigma_cap: Annotated[float, Range(0.0, 1.0), Live(lower_only=True)]
    z_cap: LoweredCap
    epsilon_cap: LoweredCap
    max_chunk_age_s: AgeS
    max_arm_state_age_s: AgeS
    max_teleop_age_s: AgeS
    max_translation_change_m: StepM = 0.0
    max_rotation_change_rad: StepRad = 0.0
    max_lead_m: StepM = 0.0
    max_lead_rad: StepRad = 0.0
    refuse_translation_m: StepM = 0.0
    refuse_rotation_rad: StepRad = 0.0
    kinematics: str = ""
    joint_low_rad: AnglesRad = ()
    joint_high_rad: AnglesRad = ()
    max_joint_velocity_rad_s: SpeedsRadS = ()
    max_joint_acceleration_rad_s2: AccelerationsRadS2 = ()
    refuse_joint_velocity_rad_s: Annotated[float, Range(0.0, 20.0, unit="rad/s")] = 0.0
    setpoint_grace_s: AgeS = 0.1
    tick_rate_hz: Annotated[float, Range(1.0, 1000.0)] = 50.0
    execute_steps: Annotated[int, Range(1)] = 5
    overlap_steps: Annotated[int, Range(0)] = 0
    max_seam: Annotated[float, Range(0.0, 10.0, above=True)] = 3.0
    fifo_priority: Annotated[int, Range(0, 99)] = 50
    pacing: Annotated[str, OneOf(*Pacing)] = Pacing.STEADY.value
    simulated_arm: bool = False
    estop_file: str = ""
    resume_after_teleop: bool = False

    def __post_init__(self) -> None:
        """Refuses what could not be executed safely.

        Raises:
            ValueError: A value is out of its range; the text names it and the range.
        """
        check_fields(self)
        if self.moves_a_real_arm:
            check_ages(self)
            check_speeds(self)
        self._check_which_limits_are_given()
        if self.tick_rate_hz < self.control_rate_hz:
            raise ValueError(
                f"tick_rate_hz is {self.tick_rate_hz}; it must be at least control_rate_hz "
                f"({self.control_rate_hz})"
            )
        if problem := too_long(self.overlap_steps, self.execute_steps, self.horizon):
            raise ValueError(problem)
        _ = self.steering_limits
        if self.action_space == BRIDGE_DELTA_EE:
            self._check_refused_steps()
            _ = self.motion_limits
        else:
            self._check_refused_velocity()
            _ = self.joint_limits

    @property
    def moves_a_real_arm(self) -> bool:
        """Whether something may break: only simulations are paced by the states of their arm."""
        return self.pacing == Pacing.STEADY and not self.simulated_arm

    @property
    def _others_limits(self) -> tuple[str, ...]:
        """Names of the limits that only other action spaces have."""
        others = (names for space, names in _FOR_ONE_SPACE.items() if space != self.action_space)
        return tuple(name for names in others for name in names)

    def _check_which_limits_are_given(self) -> None:
        for name in _FOR_ONE_SPACE[self.action_space]:
            if not getattr(self, name):
                raise ValueError(
                    f"{name} is missing or 0; {self.action_space} needs it and it has no default: "
                    "set it in the rig's YAML file"
                )
        for name in self._others_limits:
            if getattr(self, name):
                raise ValueError(
                    f"{name} is {getattr(self, name)}, which {self.action_space} knows nothing of: "
                    "remove it from the rig's YAML file, or correct action_space"
                )

    def _check_refused_steps(self) -> None:
        if self.refuse_translation_m < self.max_translation_m:
            raise ValueError(
                f"refuse_translation_m is {self.refuse_translation_m}; below max_translation_m "
                f"({self.max_translation_m}) it would refuse steps that the limiter allows"
            )
        if not self.max_rotation_rad <= self.refuse_rotation_rad < pi:
            raise ValueError(
                f"refuse_rotation_rad is {self.refuse_rotation_rad}; it must lie between "
                f"max_rotation_rad ({self.max_rotation_rad}) and pi"
            )

    def _check_refused_velocity(self) -> None:
        fastest_rad_s = max(self.max_joint_velocity_rad_s)
        if self.refuse_joint_velocity_rad_s < fastest_rad_s:
            raise ValueError(
                f"refuse_joint_velocity_rad_s is {self.refuse_joint_velocity_rad_s}; below the "
                f"largest max_joint_velocity_rad_s ({fastest_rad_s}) it would refuse steps that "
                "the limiter allows"
            )

    @property
    def action_dim(self) -> int:
        """Columns of an action chunk."""
        return ACTION_DIMS[self.action_space]

    @property
    def joints(self) -> int:
        """How many joint positions an arm state must hold; 0 where the limits need none."""
        return self.arm_kinematics.joints if self.action_space == DROID_JOINT_VELOCITY else 0

    @cached_property
    def arm_kinematics(self) -> Kinematics:
        """The geometry that `kinematics` names.

        Raises:
            ConfigError: No such driver, one without kinematics, or one with other joints than the
                action space.
        """
        try:
            found = find_driver(self.kinematics).kinematics
        except ConfigError as error:
            raise ConfigError(f"kinematics: {error}") from error
        wanted = self.action_dim - 1
        if found is None or found.joints != wanted:
            has = "tells no kinematics" if found is None else f"has {found.joints} joints"
            raise ConfigError(
                f"kinematics is {self.kinematics!r}, whose driver {has}; {self.action_space} needs "
                f"those of an arm of {wanted} joints: name its driver, such as franky"
            )
        return found

    @property
    def control_period_s(self) -> float:
        """Duration of one action step, s."""
        return 1.0 / self.control_rate_hz

    @property
    def tick_period_s(self) -> float:
        """Time between two decisions, s."""
        return 1.0 / self.tick_rate_hz

    @property
    def steering_limits(self) -> SteeringLimits:
        """The caps on a chunk's steering."""
        return SteeringLimits(self.sigma_cap, self.z_cap, self.epsilon_cap)

    @property
    def tool_limits(self) -> ToolLimits:
        """The limits that every action space has."""
        return self.joint_limits if self.joints else self.motion_limits

    @property
    def motion_limits(self) -> MotionLimits:
        """The limits on every setpoint of bridge_delta_ee_7."""
        return MotionLimits(
            period_s=self.control_period_s,
            workspace_box=self.workspace_box,
            max_translation_m=self.max_translation_m,
            max_rotation_rad=self.max_rotation_rad,
            max_gripper_step=self.max_gripper_step,
            max_translation_change_m=self.max_translation_change_m,
            max_rotation_change_rad=self.max_rotation_change_rad,
            max_lead_m=self.max_lead_m,
            max_lead_rad=self.max_lead_rad,
        )

    @property
    def joint_limits(self) -> JointLimits:
        """The limits on every setpoint of droid_joint_velocity_8."""
        return JointLimits(
            period_s=self.control_period_s,
            kinematics=self.arm_kinematics,
            workspace_box=self.workspace_box,
            max_translation_m=self.max_translation_m,
            max_rotation_rad=self.max_rotation_rad,
            max_gripper_step=self.max_gripper_step,
            reaction_s=self.setpoint_grace_s + self.max_arm_state_age_s,
            low_rad=self.joint_low_rad,
            high_rad=self.joint_high_rad,
            max_velocity_rad_s=self.max_joint_velocity_rad_s,
            max_acceleration_rad_s2=self.max_joint_acceleration_rad_s2,
        )
