"""Configuration of the simulation's node."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated

from tmrl_cell.cameras import CAMERAS
from tmrl_cell.franka.task_file import load_task
from tmrl_cell.layouts import OBJECTS, LayoutName
from tmrl_common.constraints import SEED, NotEmpty, OneOf, Range, check_fields

PHYSICS_STEP_S = 0.005
FRANKA_STEP_S = 1.0 / 300.0
_MAX_REAL_TIME_FACTOR = 20.0

Count = Annotated[int, Range(0)]
RateHz = Annotated[float, Range(0.0, above=True)]


class Backend(StrEnum):
    """What moves the arm."""

    MUJOCO = "mujoco"
    """Physics with contacts, and cameras."""
    LOOPBACK = "loopback"
    """An arm that is at once where it was commanded to be; no physics, no cameras."""


@dataclass(frozen=True)
class SimConfig:
    """One simulated cell.

    Attributes:
        robot: Name of the arm; commands for another one are refused.
        run_dir: Directory of the run; each episode's joint positions go to `trajectories/` in it,
            for the video. Empty: nothing is stored.
        backend: "mujoco", or "loopback" for tests of everything around the arm.
        layout: "downstream" or "pretraining": where a reset puts objects and arm.
        seed: Of the layout at the start, before the first reset.
        task: Empty: the WidowX's cell and its pot. Otherwise the Franka's with a task file: the
            name of one that comes with it, such as "press_button", or the path of one that ends in
            .yaml.
        target: Object that must end in the pot; a task file says itself what is to be done.
        real_time_factor: 0: lock-step, each command advances the world by one control period, as
            fast as it can. From 1 on: the world advances by itself, so many times faster than wall
            time; where the machine cannot keep up, simulated time passes more slowly.
        control_period_s: Simulated time that a command of lock-step takes, s.
        tick_rate_hz: States per second of simulated time when the world advances by itself, Hz.
        cameras: Names of the cameras whose images are published, while somebody listens.
        image_size_px: Width and height of the images, pixels.
        camera_rate_hz: Images per second of simulated time where the world advances by itself, Hz;
            in lock-step every state has its images.
        urdf: What the arm looks like, for the topic robot_description: the name of a description in
            tmrl_description, such as "widowx_250", or the path of a file that ends in .urdf; empty
            for none.
        loopback_success_commands: Loopback only: from this many commands after a reset on, the
            target is in the pot. 0: never.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    run_dir: str = ""
    backend: Annotated[str, OneOf(*Backend)] = Backend.MUJOCO.value
    layout: Annotated[str, OneOf(*LayoutName)] = LayoutName.DOWNSTREAM.value
    seed: Annotated[int, SEED] = 0
    task: str = ""
    target: Annotated[str, OneOf(*OBJECTS)] = "sausage"
    real_time_factor: Annotated[float, Range(0.0, _MAX_REAL_TIME_FACTOR)] = 0.0
    control_period_s: Annotated[float, Range(0.0, above=True)] = 0.2
    tick_rate_hz: RateHz = 50.0
    cameras: Annotated[tuple[str, ...], OneOf(*CAMERAS)] = CAMERAS
    image_size_px: Annotated[int, Range(16, 960)] = 224
    camera_rate_hz: RateHz = 5.0
    urdf: str = "widowx_250"
    loopback_success_commands: Count = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be simulated.

        Raises:
            ValueError: A value is unknown or out of range; the text names it and what is valid.
        """
        check_fields(self)
        factor = self.real_time_factor
        if factor != 0.0 and not factor >= 1.0:
            raise ValueError(
                f"real_time_factor is {factor}; choose 0 (lock-step, as fast as it can) or "
                f"1 to {_MAX_REAL_TIME_FACTOR:g}"
            )
        if self.task and self.backend != Backend.MUJOCO:
            raise ValueError(
                f"task is {self.task!r} and backend is {self.backend}; a task file wants the "
                "backend mujoco"
            )
        if self.task:
            load_task(self.task)
        step_s = FRANKA_STEP_S if self.task else PHYSICS_STEP_S
        _check_period("control_period_s", self.control_period_s, step_s)
        _check_period("1 / tick_rate_hz", 1.0 / self.tick_rate_hz, step_s)

    @property
    def lock_step(self) -> bool:
        """Whether only commands advance the world."""
        return self.real_time_factor == 0.0

    @property
    def wall_period_s(self) -> float:
        """Wall time between two states where the world advances by itself, s."""
        return 1.0 / (self.tick_rate_hz * self.real_time_factor)

    @property
    def recorded_in(self) -> Path | None:
        """The run directory of the trajectories; None: nothing is recorded.

        That is so without physics, and in the Franka's cell, of which there is no video.
        """
        recorded = self.run_dir and self.backend == Backend.MUJOCO and not self.task
        return Path(self.run_dir) if recorded else None

    @property
    def base_frame(self) -> str:
        """Frame of every pose."""
        return f"{self.robot}/base"


def _check_period(parameter: str, value_s: float, step_s: float) -> None:
    steps = value_s / step_s
    if not (isfinite(steps) and steps >= 1.0 and abs(steps - round(steps)) < 1e-6):
        raise ValueError(
            f"{parameter} is {value_s:g} s; it must be a multiple of the physics step, {step_s:g} s"
        )
