"""What both sides of `bench_session` have in common: the cell, the rates, what is noted."""

from dataclasses import dataclass, field

import numpy as np

CAMERAS = ("overview", "wrist")
WIDTH, HEIGHT, FRAMES_HZ = 640, 480, 30
SENT_PX = 224
HORIZON, ACTIONS, STATE = 16, 7, 7
EXECUTE = {5.0: 5, 15.0: 8}
"""Control rate, Hz: steps that are executed of each chunk; BridgeData's and DROID's."""
OVERLAPS = ((150.0, 5.0, 1), (150.0, 15.0, 3), (300.0, 5.0, 2))
"""Cases in which the policy thinks while the arm moves: the network's sleep, ms; control rate, Hz;
steps that are left of the running chunk when the next one is asked for."""
TIMEOUT_S = 120.0


@dataclass
class Run:
    """What was seen of one episode, all times in s since 1970.

    Attributes:
        setpoints_s: Arrival of every setpoint that moves the arm.
        seen_to_act_s: For each chunk, from the older picture's stamp to its first setpoint.
        hops_s: The same in pieces, by name; ours alone.
        continued: Chunks that began without a stop; ours alone.
    """

    setpoints_s: list[float] = field(default_factory=lambda: list[float]())
    seen_to_act_s: list[float] = field(default_factory=lambda: list[float]())
    hops_s: dict[str, list[float]] = field(default_factory=lambda: dict[str, list[float]]())
    continued: int = 0

    def duty(self, period_s: float) -> float:
        gaps_s = np.diff(self.setpoints_s)
        return float(np.minimum(gaps_s, period_s).sum() / gaps_s.sum())

    def longest_gap(self, period_s: float) -> float:
        """Longest time between two setpoints, in control periods."""
        return float(np.diff(self.setpoints_s).max() / period_s)

    @property
    def steps_per_s(self) -> float:
        return float(1.0 / np.diff(self.setpoints_s).mean())
