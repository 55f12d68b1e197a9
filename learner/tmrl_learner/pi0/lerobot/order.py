"""Whether the rows of an episode are in their order and at their times.

An image is found by the time of its row, and the actions of a chunk are the rows that follow: rows
of another order or at other times learn from another moment's image, without any other sign.
"""

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.pi0.lerobot.errors import DatasetError

_ROUNDING = 1e-3
"""Of a frame's duration: times are stored as 32 bit numbers."""


def check_order(where: str, frame_index: NDArray[np.float64]) -> None:
    """Refuses rows that do not follow each other.

    Args:
        where: File and episode, for messages.
        frame_index: Of each row, shape (N,); where they begin does not matter.

    Raises:
        DatasetError: Names the first row that is out of order.
    """
    odd = np.flatnonzero(np.diff(frame_index) != 1)
    if len(odd):
        row = int(odd[0])
        raise DatasetError(
            f"{where}, row {row + 1}: frame_index is {frame_index[row + 1]:g} after "
            f"{frame_index[row]:g}; it must rise by 1 from row to row: sort the rows, or leave the "
            "episode out"
        )


def check_times(where: str, time_s: NDArray[np.float64], fps_hz: float) -> None:
    """Refuses times that are nearer to another row's.

    Args:
        where: File and episode, for messages.
        time_s: Of each row since the episode's start, shape (N,).
        fps_hz: Rows per second as the data set says.

    Raises:
        DatasetError: Names the first row that is half a frame or more away from its time, and
            what all of them look like.
    """
    frames = time_s * fps_hz
    odd = np.flatnonzero(np.abs(frames - np.arange(len(frames))) > 0.5 + _ROUNDING)
    if len(odd):
        row = int(odd[0])
        raise DatasetError(
            f"{where}, row {row}: timestamp is {time_s[row]:.3f} s; at {fps_hz:g} Hz this row is "
            f"at {row / fps_hz:.3f} s, and {0.5 / fps_hz:.3f} s is the most it may be away, or it "
            f"would learn from another row's image ({_likeness(time_s)}). Write timestamp = "
            "frame_index / fps if the rows are right, or correct fps in meta/info.json"
        )


def _likeness(time_s: NDArray[np.float64]) -> str:
    steps = np.diff(time_s)
    if not steps.any():
        return f"all rows have the time {time_s[0]:g} s"
    if (steps < 0).any():
        return f"times go backwards in row {int(np.flatnonzero(steps < 0)[0]) + 1}"
    usual_s = float(np.median(steps))
    if usual_s > 0 and np.allclose(steps, usual_s, rtol=0.1):
        return f"the rows are {1 / usual_s:.4g} Hz apart and start at {time_s[0]:g} s"
    return f"steps of {steps.min():.3g} to {steps.max():.3g} s"
