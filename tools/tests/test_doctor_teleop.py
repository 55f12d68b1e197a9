"""The doctor at a person's device: there or not, for this user or not, and fit for the mapping."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Joy

from tmrl_bringup.up import propose
from tmrl_doctor.finding import Finding, Level
from tmrl_doctor.hearing import Publisher
from tmrl_doctor.rig import RigChecks
from tmrl_doctor.teleop import DeviceSeen, judge_device
from tmrl_doctor.teleop_probe import check_device
from tmrl_doctor.topic_listener import TopicListener
from tmrl_teleop.device import DeviceKind
from tmrl_teleop.input_device import EV_ABS
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.spacemouse import SPACEMOUSE
from tmrl_teleop.testing import ABS_RY, RB, SYN, MadeUpGamepad, event

PAD = DeviceSeen("topic teleop/joy", axes=8, buttons=11, rate_hz=50.0)


class Radio:
    """A network on which these messages come, each topic's again and again."""

    def __init__(self, **topics: list[Any]) -> None:
        self._topics = {f"teleop/{name}": messages for name, messages in topics.items()}

    def is_published(self, topic: str, wait_s: float) -> bool:
        return topic in self._topics

    def publishers(self, topic: str) -> list[Publisher]:
        return [Publisher("/widowx/joy_node", "sensor_msgs/msg/Joy", reliable=True)]

    def receive(self, kind: type, topic: str, profile: Any, **limits: Any) -> list[Any]:
        return [(0.0, message) for message in self._topics[topic]]


def check(
    listener: Any = None,
    kinds: dict[str, DeviceKind] | None = None,
    watch_s: float = 1.0,
    **values: Any,
) -> Finding:
    listener = cast(TopicListener, listener or Radio())
    return check_device({"robot": "widowx", **values}, listener, kinds or {}, watch_s)


@pytest.fixture
def pad(tmp_path: Path) -> Iterator[MadeUpGamepad]:
    pad = MadeUpGamepad(tmp_path / "event5")
    pad.plug_in()
    yield pad
    pad.unplug()


def look_at(pad: MadeUpGamepad, **values: Any) -> Finding:
    return check(kinds={"gamepad": pad.kind}, device="gamepad", **values)


def test_a_gamepad_at_rest_is_there_and_one_that_is_used_names_what_is_pressed(
    pad: MadeUpGamepad,
) -> None:
    rest = look_at(pad)
    assert rest.level is Level.GOOD
    assert f"Microsoft X-Box 360 pad at {pad.path}" in rest.detail
    assert "press" in rest.detail
    pad.press(RB)
    pad.send(event(EV_ABS, ABS_RY, -32768) + SYN)
    used = look_at(pad, watch_s=5.0)
    assert used.level is Level.GOOD
    assert used.detail.endswith("axis 4 moved, button 5 pressed")


def test_what_the_mapping_names_and_the_device_lacks_is_named(pad: MadeUpGamepad) -> None:
    dead = look_at(pad, axes=[1, 0, 8, -1, -1, 3], dead_man=11)
    assert dead.level is Level.FAILED
    assert "z is axis 8, and there are 8" in dead.detail
    assert "dead_man is button 11, and there are 11" in dead.detail
    assert "teleoperation.md" in dead.remedy


def test_a_device_that_is_not_there_or_not_for_this_user_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = look_at(MadeUpGamepad(tmp_path / "event7"))
    assert missing.level is Level.FAILED
    assert "event7 cannot be opened" in missing.detail
    assert "plug it in" in missing.remedy

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, os.strerror(13), path)

    monkeypatch.setattr(os, "open", refuse)
    refused = check(
        kinds={"spacemouse": SPACEMOUSE}, device="spacemouse", device_path="/dev/hidraw0"
    )
    assert refused.level is Level.FAILED
    assert "may not be read by this user" in refused.detail
    assert "60-tmrl-spacemouse.rules" in refused.remedy


def test_a_driver_that_does_not_run_is_not_checked_and_a_silent_one_fails() -> None:
    assert check(device="joy").level is Level.SKIPPED
    assert check(device="twist").level is Level.SKIPPED
    joy = Joy(axes=[0.0] * 8, buttons=[0] * 11)
    assert check(Radio(joy=[joy]), device="twist").detail == "nobody publishes teleop/twist"
    silent = check(Radio(joy=[]), device="joy")
    assert silent.level is Level.FAILED
    assert "/widowx/joy_node" in silent.detail
    assert "autorepeat_rate" in silent.remedy


def test_a_driver_is_heard_and_its_numbers_fit() -> None:
    rest, pressed = (Joy(axes=[0.0] * 8, buttons=[0] * 5 + [down]) for down in (0, 1))
    finding = check(Radio(joy=[rest, pressed, rest, rest, rest]), device="joy", estop=-1, resume=-1)
    assert finding.level is Level.GOOD, finding
    assert finding.detail == "topic teleop/joy: button 5 pressed"
    few = check(Radio(joy=[rest] * 5), device="joy")
    assert few.level is Level.FAILED
    assert "estop is button 6, and there are 6" in few.detail
    both = Radio(joy=[Joy(axes=[], buttons=[0] * 11)] * 5, twist=[TwistStamped()])
    assert check(both, device="twist").level is Level.GOOD, "a twist steers with no axis"


def test_a_driver_that_repeats_nothing_is_warned_of() -> None:
    config = TeleopConfig(robot="widowx")
    assert judge_device(PAD, config).level is Level.GOOD
    slow = judge_device(DeviceSeen("topic teleop/joy", 8, 11, rate_hz=2.0), config)
    assert slow.level is Level.WARNING
    assert "autorepeat_rate" in slow.remedy


def test_an_impossible_section_is_left_to_the_line_about_the_file(pad: MadeUpGamepad) -> None:
    finding = look_at(pad, dead_man=-1)
    assert finding.level is Level.SKIPPED
    assert "dead_man is -1" in finding.detail
    assert look_at(pad, rate_hz="often").level is Level.SKIPPED


@pytest.mark.ros
def test_a_rig_has_the_line_where_it_has_the_section(ros_domain_id: int, tmp_path: Path) -> None:
    def lines(**overrides: Any) -> dict[str, Any]:
        checks = RigChecks(propose("widowx_sim", overrides), listener).all()
        return {each.name: each for each in checks}

    with TopicListener("/widowx") as listener:
        assert "teleop device" not in lines()
        given = {"teleop.device": "gamepad", "teleop.device_path": str(tmp_path / "event5")}
        finding = lines(**given)["teleop device"].look()
        assert finding.level is Level.FAILED
        assert "event5 cannot be opened" in finding.detail
        assert "teleop device" not in lines(**given, parts="gpu")
