"""Configuration of the controller: what a rig allows, and how the controller is paced."""

from dataclasses import dataclass, fields
from enum import StrEnum
from math import isfinite, pi

from tmrl_common.types import SteeringLimits
from tmrl_controller.limiter import MotionLimits


class Pacing(StrEnum):
    """What makes a control period pass."""

    STEADY = "steady"
    """Hardware: the steady clock, on a thread of the node's own."""
    STATE = "state"
    """Paced simulation: the stamps of the arm states."""
    LOCK_STEP = "lock_step"
    """Simulation that advances one control period per command, and only then."""


@dataclass(frozen=True)
class ControllerConfig:
    """What one rig allows. The limits have no defaults: nobody else knows the rig.

    Attributes:
        robot: Name of the arm; messages for another one are refused.
        action_space: Meaning of an action row; "bridge_delta_ee_7" is the one understood.
        horizon: Rows of an action chunk.
        control_rate_hz: Action steps per second.
        workspace_box: x_min x_max y_min y_max z_min z_max of the tool in the base frame, m.
        max_translation_m: Longest translation of the target per control period, m.
        max_rotation_rad: Largest rotation of the target per control period, rad.
        max_gripper_step: Largest change of the gripper's opening per control period, 0 to 1.
        max_translation_change_m: Seam limit: how far the translation of a step may differ from that
            of the step before, m per control period.
        max_rotation_change_rad: Seam limit of the rotation, rad per control period.
        max_lead_m: How far the target may run ahead of the measured tool, m: a blocked arm winds up
            no more than this.
        max_lead_rad: The same for the rotation, rad.
        refuse_translation_m: A chunk with a longer step to be executed is refused whole, m.
        refuse_rotation_rad: A chunk with a larger rotation in a step is refused whole, rad.
        sigma_cap: Largest context timestep of a chunk, 0 to 1.
        z_cap: Largest magnitude of a component of a chunk's z.
        epsilon_cap: Largest magnitude of a component of a chunk's context noise.
        max_chunk_age_s: Oldest arm state, by the time of its arrival here, that a chunk may answer,
            s.
        max_arm_state_age_s: Without a newer arm state the arm stops after this, s.
        max_teleop_age_s: Without a newer teleop command the takeover ends after this, s.
        setpoint_grace_s: How long a setpoint stays valid beyond its period, s.
        tick_rate_hz: Rate of decisions, and of setpoints while a person drives, Hz.
        pacing: "steady" (hardware), "state" (paced simulation) or "lock_step".
        resume_after_teleop: Whether the policy goes on by itself when a person lets go of the
            dead-man switch. False: the arm holds until controller/resume, so that a device put
            down by accident sets nothing in motion.
    """

    robot: str
    action_space: str
    horizon: int
    control_rate_hz: float
    workspace_box: tuple[float, ...]
    max_translation_m: float
    max_rotation_rad: float
    max_gripper_step: float
    max_translation_change_m: float
    max_rotation_change_rad: float
    max_lead_m: float
    max_lead_rad: float
    refuse_translation_m: float
    refuse_rotation_rad: float
    sigma_cap: float
    z_cap: float
    epsilon_cap: float
    max_chunk_age_s: float
    max_arm_state_age_s: float
    max_teleop_age_s: float
    setpoint_grace_s: float = 0.1
    tick_rate_hz: float = 50.0
    pacing: str = Pacing.STEADY.value
    resume_after_teleop: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not be executed safely.

        Raises:
            ValueError: A value is out of its range; the text names it and the range.
        """
        if not self.robot:
            raise ValueError("robot is empty; name the arm, for example widowx")
        if self.action_space != ACTION_SPACE:
            raise ValueError(f"action_space is {self.action_space!r}; only {ACTION_SPACE} is known")
        if self.pacing not in [p.value for p in Pacing]:
            raise ValueError(
                f"pacing is {self.pacing!r}; choose one of {', '.join(p.value for p in Pacing)}"
            )
        if self.horizon < 1:
            raise ValueError(f"horizon is {self.horizon}; a chunk has at least 1 row")
        for field in fields(self):
            value = getattr(self, field.name)
            positive = field.type is float and field.name != "sigma_cap"
            if positive and not (isfinite(value) and value > 0.0):
                raise ValueError(f"{field.name} is {value}; it has to be a finite number above 0")
        if self.tick_rate_hz < self.control_rate_hz:
            raise ValueError(
                f"tick_rate_hz is {self.tick_rate_hz}; it has to be at least control_rate_hz "
                f"({self.control_rate_hz})"
            )
        self._check_refusal_bounds()
        _ = self.steering_limits, self.motion_limits

    def _check_refusal_bounds(self) -> None:
        if self.refuse_translation_m < self.max_translation_m:
            raise ValueError(
                f"refuse_translation_m is {self.refuse_translation_m}; below max_translation_m "
                f"({self.max_translation_m}) it would refuse steps that the limiter allows"
            )
        if not self.max_rotation_rad <= self.refuse_rotation_rad < pi:
            raise ValueError(
                f"refuse_rotation_rad is {self.refuse_rotation_rad}; it has to lie between "
                f"max_rotation_rad ({self.max_rotation_rad}) and pi"
            )

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
    def motion_limits(self) -> MotionLimits:
        """The limits on every setpoint."""
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


ACTION_SPACE = "bridge_delta_ee_7"
"""dx dy dz [m], drx dry drz [rad, rotation vector in the base frame], gripper opening 0 to 1."""
ACTION_DIM = 7
