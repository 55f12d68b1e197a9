"""A camera: what was seen of it, and what to think of it."""

from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning

_LEAST_RATE = 0.8
_DARK = 8.0
_EVEN = 8.0
_MAX_AHEAD_S = 0.1
_MAX_BEHIND_S = 2.0
"""More than any driver's exposure, transfer and compression together."""


@dataclass(frozen=True)
class PicturesSeen:
    """Pictures of some seconds.

    Attributes:
        through: Who sent them, such as the description of the device or a topic.
        count: How many came.
        rate_hz: How many a second, Hz.
        width_px: Columns.
        height_px: Rows.
        changing: Whether any two of them differed.
        mean: Brightness of the newest, 0 to 255.
        spread: Standard deviation of its pixels.
        grey: Whether the three channels of its newest picture are one.
        ahead_s: How far its newest stamp was ahead of this machine's clock on arrival, s; negative
            behind, None where there is no stamp.
        remark: What the device says may go wrong; empty for nothing.
    """

    through: str
    count: int
    rate_hz: float = 0.0
    width_px: int = 0
    height_px: int = 0
    changing: bool = False
    mean: float = 0.0
    spread: float = 0.0
    grey: bool = False
    ahead_s: float | None = None
    remark: str = ""


def judge_camera(seen: PicturesSeen, expected_hz: float) -> Finding:
    """Whether pictures come, often enough, and show something.

    Args:
        seen: What came.
        expected_hz: Rate that was asked for, Hz; 0 where nobody knows.
    """
    if not seen.count:
        return failed(f"no picture from {seen.through}", "start its driver, and check its topic")
    detail = f"{seen.width_px}x{seen.height_px} at {seen.rate_hz:.1f} Hz from {seen.through}"
    if seen.count == 1:
        # Whether it is frozen, one picture does not say.
        return failed(
            f"{detail}; only one picture came", "see whether its driver hangs, or its machine does"
        )
    if not seen.changing:
        return failed(
            f"{detail}; all pictures are the same", "the camera is frozen: plug it in again"
        )
    if seen.mean < _DARK and seen.spread < _EVEN:
        return failed(f"{detail}; black", "take the cap off, switch the light on")
    if seen.grey:
        return failed(
            f"{detail}; grey: its channels are equal, and the policy needs colour",
            "name the topic of the colour camera, or switch the driver to colour",
        )
    if seen.ahead_s is not None and not -_MAX_BEHIND_S <= seen.ahead_s <= _MAX_AHEAD_S:
        side = "ahead of" if seen.ahead_s > 0 else "behind"
        return failed(
            f"{detail}; its stamps are {abs(seen.ahead_s):.1f} s {side} this machine's clock",
            "let the driver stamp with this machine's clock, or set the clocks of both machines "
            "(chrony)",
        )
    if seen.rate_hz < _LEAST_RATE * expected_hz:
        return warning(
            f"{detail}; {expected_hz:.0f} Hz were asked for",
            "plug it into a USB 3 port of its own, shorten the exposure, or ask for a lower rate",
        )
    if seen.remark:
        return warning(f"{detail}; {seen.remark}", "see what the device says; USB 3 is best")
    return good(detail)
