"""A camera: what was seen of it, and what to think of it."""

from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning

_LEAST_RATE = 0.8
_DARK = 8.0
_EVEN = 8.0


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
    remark: str = ""


def judge_camera(seen: PicturesSeen, expected_hz: float) -> Finding:
    """Whether pictures come, often enough, and show something.

    Args:
        seen: What came.
        expected_hz: Rate that was asked for, Hz; 0 where nobody knows.
    """
    if not seen.count:
        return failed(f"no picture from {seen.through}", "check cable, power and serial number")
    detail = f"{seen.width_px}x{seen.height_px} at {seen.rate_hz:.1f} Hz from {seen.through}"
    if not seen.changing:
        return failed(
            f"{detail}; all pictures are the same", "the camera is frozen: plug it in again"
        )
    if seen.mean < _DARK and seen.spread < _EVEN:
        return failed(f"{detail}; black", "take the cap off, switch the light on")
    if seen.rate_hz < _LEAST_RATE * expected_hz:
        return warning(
            f"{detail}; {expected_hz:.0f} Hz were asked for",
            "plug it into a USB 3 port of its own, shorten the exposure, or ask for a lower rate",
        )
    if seen.remark:
        return warning(f"{detail}; {seen.remark}", "see what the device says; USB 3 is best")
    return good(detail)
