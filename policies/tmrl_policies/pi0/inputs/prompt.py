"""The text that becomes language tokens: the instruction, for pi0.5 with the robot state in it."""

import numpy as np
from numpy.typing import NDArray

from tmrl_policies.pi0.config import Pi0Config
from tmrl_policies.pi0.inputs.rigs import Rig

_EDGES = np.linspace(-1.0, 1.0, 256, endpoint=False)
"""Lower edges of the bins of the robot state."""


def state_in_prompt(config: Pi0Config, rig: Rig) -> bool:
    """Whether these weights read the robot state in the prompt."""
    return config.pi05 and rig.state_in_prompt


def cleaned(instruction: str) -> str:
    """An instruction without blanks at its ends, underscores or line breaks; its case is kept."""
    return instruction.strip().replace("_", " ").replace("\n", " ")


def state_bins(state: NDArray[np.floating]) -> NDArray[np.int64]:
    """Numbers by which the robot state is written.

    Args:
        state: Normalised, shape (..., D).

    Returns:
        Shape (..., D): 0 to 255 for the 256 bins over [-1, 1), which include their lower edge; -1
        below them and 255 above.
    """
    return np.digitize(state, _EDGES) - 1


def text_with_state(instruction: str, state: NDArray[np.floating]) -> str:
    """pi0.5's format of an instruction.

    Args:
        instruction: As it was given.
        state: Normalised robot state, not padded, shape (D,).
    """
    written = " ".join(str(number) for number in state_bins(state))
    return f"Task: {cleaned(instruction)}, State: {written};\nAction: "
