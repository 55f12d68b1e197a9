"""The parts of which rigs are made, one module each; a new part is a module and a line here."""

from collections.abc import Mapping

from tmrl_bringup.parts import (
    agent,
    arm,
    cameras,
    console,
    controller,
    driver,
    learning,
    operator,
    policy_server,
    recorder,
    success_head,
    teleop,
    uplink,
)
from tmrl_bringup.parts.part import Part

PARTS: Mapping[str, Part] = {
    module.PART.name: module.PART
    for module in (
        driver,
        arm,
        cameras,
        controller,
        agent,
        operator,
        console,
        learning,
        uplink,
        recorder,
        success_head,
        teleop,
        policy_server,
    )
}
"""Every part by its name, nodes in the order of their start."""

CAMERAS = cameras.PART.name
CONSOLE = console.PART.name
SERVER = policy_server.PART.name
TELEOP = teleop.PART.name
UPLINK = uplink.PART.name


def part_of(section: str) -> Part:
    """Returns the part to which a section of a rig belongs, such as `cameras.wrist`."""
    return PARTS[section.partition(".")[0]]
