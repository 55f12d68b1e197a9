"""What a page must know and what never changes."""

from typing import Any

from tmrl_console.keys import key_map
from tmrl_console.params import ConsoleConfig


def about(config: ConsoleConfig, *, asks_password: bool) -> dict[str, Any]:
    """Returns the board's section for it."""
    return {
        "robot": config.robot,
        "session": config.session,
        "cameras": list(config.cameras),
        "keys": {code: str(action) for code, action in key_map(config.keys).items()},
        "asks_password": asks_password,
        "speed_mm_s": round(1000.0 * config.drive_speed_m_s),
    }
