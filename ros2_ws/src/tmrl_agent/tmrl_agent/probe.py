"""Steering by the number of the episode instead of by a learner: what a probe tries in turn.

A setting is written `NOISE@SIGMA`: `full@0` draws every row of z from the normal distribution, as
the policy was trained; `repeated@0` draws one row and repeats it, as a steering actor does;
`repeated:1.5@0.3` draws that row uniformly within 1.5, at sigma 0.3. `warmup` is what a session's
first chunks do.
"""

import re
from dataclasses import dataclass

import numpy as np

from tmrl_common.types import PolicySpec, Steering, SteeringSource

WARM_UP = "warmup"
FULL, REPEATED = "full", "repeated"
_SETTING = re.compile(rf"({FULL}|{REPEATED})(?::(\d+(?:\.\d+)?))?@(\d+(?:\.\d+)?)")
_NO_EPSILON = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Probe:
    """How the chunks of an episode are steered.

    Attributes:
        noise: "full" or "repeated", see above.
        bound: Each component of z is drawn uniformly within it; 0: from the normal distribution.
        sigma: Context timestep, 0 to 1.
    """

    noise: str
    bound: float
    sigma: float

    def __str__(self) -> str:
        """As it is written in a configuration."""
        bound = f":{self.bound:g}" if self.bound else ""
        return f"{self.noise}{bound}@{self.sigma:g}"

    def steering(self, spec: PolicySpec, seed: int) -> Steering:
        """Draws the steering of one chunk.

        Args:
            spec: Of the policy, which says how long z is.
            seed: Of the chunk.
        """
        shape = (spec.horizon, spec.z_dim) if self.noise == FULL else (spec.z_dim,)
        random = np.random.default_rng(seed)
        bound = self.bound
        z = random.uniform(-bound, bound, shape) if bound else random.normal(0.0, 1.0, shape)
        return Steering(SteeringSource.EXPLICIT, z.astype(np.float32), self.sigma, _NO_EPSILON)


def parse(setting: str) -> Probe | None:
    """Returns the probe that a text stands for; None for that of the warm-up, or of none."""
    found = _SETTING.fullmatch(setting)
    return Probe(found[1], float(found[2] or 0.0), float(found[3])) if found else None


class ProbeSetting:
    """Constraint: the text of a setting."""

    @property
    def text(self) -> str:
        """What is valid."""
        return f"{WARM_UP}, or NOISE@SIGMA such as full@0, repeated@0.3, repeated:1.5@0"

    def admits(self, value: str) -> bool:
        """Returns whether it is one, with sigma from 0 to 1."""
        probe = parse(value)
        return value == WARM_UP or (probe is not None and probe.sigma <= 1.0)

    def remedy(self, value: str) -> str:
        """Returns what to write."""
        return f"write {self.text}"


def probe_of(settings: tuple[str, ...], episode: int) -> Probe | None:
    """Returns how an episode is steered; None where it is by the warm-up's draws.

    Args:
        settings: At least one; the episodes take turns.
        episode: Counts from 1.
    """
    return parse(setting_of(settings, episode))


def setting_of(settings: tuple[str, ...], episode: int) -> str:
    """Returns the text of the setting whose turn it is."""
    return settings[(episode - 1) % len(settings)]
