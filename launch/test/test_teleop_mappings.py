"""A mapping of a person's device is a section that a lab appends to its rig's file."""

from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from ament_index_python.packages import get_package_share_directory

from tmrl_bringup.rig import config_dir
from tmrl_bringup.up import resolve

MAPPINGS = sorted(Path(get_package_share_directory("tmrl_teleop"), "devices").glob("*.yaml"))


def test_mappings_are_installed() -> None:
    assert len(MAPPINGS) >= 4


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda path: path.stem)
def test_a_rig_with_a_mapping_appended_can_be_started(mapping: Path, tmp_path: Path) -> None:
    rig = tmp_path / "my_rig.yaml"
    rig.write_text((config_dir() / "widowx_sim.yaml").read_text() + mapping.read_text())
    session = resolve(str(rig), {})
    assert "teleop" in session.parts
    assert session.rig.parts["teleop"]["device"] in ("gamepad", "spacemouse")
