"""What holds of every real arm, whatever its rig says: the longest ages, and the fastest motion.

A rig's own limits are numbers that a person typed, maybe in ms. These stand behind them. A
simulated arm breaks nothing, and a busy machine may be slow there: for it the wider ranges of
`ControllerConfig` hold.
"""

from collections.abc import Mapping
from math import pi
from types import MappingProxyType
from typing import Any

from tmrl_common.constraints import Range, problem_of
from tmrl_common.errors import ConfigError

LONGEST_ARM_STATE_AGE_S = 1.0
LONGEST_TELEOP_AGE_S = 1.0
LONGEST_GRACE_S = 0.5
LONGEST_CHUNK_AGE_S = 30.0
"""A pi0 on a processor takes this long for a chunk; the arm holds meanwhile."""

FASTEST_TOOL_M_S = 1.0
"""Faster than any of the rigs' data, and slower than the arms themselves."""
FASTEST_TURN_RAD_S = 2.0 * pi

_WHY = " with a real arm"
_AGES: Mapping[str, Range] = MappingProxyType(
    {
        "max_arm_state_age_s": Range(0.0, LONGEST_ARM_STATE_AGE_S, above=True, unit="s"),
        "max_teleop_age_s": Range(0.0, LONGEST_TELEOP_AGE_S, above=True, unit="s"),
        "setpoint_grace_s": Range(0.0, LONGEST_GRACE_S, above=True, unit="s"),
        "max_chunk_age_s": Range(0.0, LONGEST_CHUNK_AGE_S, above=True, unit="s"),
    }
)


def check_ages(config: Any) -> None:
    """Refuses a watchdog that would let a real arm move for too long.

    Args:
        config: A `ControllerConfig`.

    Raises:
        ConfigError: Names the value, the ceiling and the remedy.
    """
    for name, ceiling in _AGES.items():
        if problem := problem_of(name, getattr(config, name), (ceiling,), _WHY):
            raise ConfigError(problem)


def check_speeds(config: Any) -> None:
    """Refuses steps of the tool that would be a throw, as those in mm or degrees are.

    Args:
        config: A `ControllerConfig`.

    Raises:
        ConfigError: Names the value, the ceiling and the remedy.
    """
    period_s = config.control_period_s
    ceilings = {
        "max_translation_m": (FASTEST_TOOL_M_S * period_s, "m"),
        "max_rotation_rad": (FASTEST_TURN_RAD_S * period_s, "rad"),
    }
    for name, (most, unit) in ceilings.items():
        allowed = Range(0.0, most, above=True, unit=unit)
        why = f" with a real arm at {config.control_rate_hz:g} Hz"
        if problem := problem_of(name, getattr(config, name), (allowed,), why):
            raise ConfigError(problem)
