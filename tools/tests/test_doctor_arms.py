"""The doctor at the arms: a Franka over libfranka's own protocol, a WidowX at the stand-in.

Both are simulators of the vendors' interfaces, in processes of their own; nothing moves them.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_arm.driver import ArmConnectionError
from tmrl_doctor.arm import judge_arm, judge_firmware, judge_joints
from tmrl_doctor.arm_probe import look_at_arm
from tmrl_doctor.finding import Level
from tmrl_doctor.topic_listener import TopicListener

pytestmark = [pytest.mark.ros]

INTERBOTIX = Path(__file__).parents[2] / "ros2_ws/src/tmrl_arm/test"


@pytest.fixture
def listener(ros_domain_id: int) -> Iterator[TopicListener]:
    with TopicListener("/lab") as listener:
        yield listener


def franka(address: str) -> dict[str, object]:
    return {"driver": "franky", "franky": {"address": address, "realtime": False}}


def test_a_franka_that_is_well(listener: TopicListener) -> None:
    from tmrl_arm.testing.franka_simulator import FrankaSimulator, own_address

    address = own_address()
    with FrankaSimulator(address) as simulator:
        before_s = simulator.time_s()
        seen = look_at_arm(franka(address), listener)
        assert simulator.time_s() > before_s
        assert judge_arm(seen).level is Level.GOOD
        assert "franky-control" in judge_firmware(seen).detail
        assert len(seen.joint_names) == 7
        simulator.reflex()
        simulator.set_mode("UserStopped")
        ends_s = time.monotonic() + 30.0
        while not (finding := judge_arm(look_at_arm(franka(address), listener))).remedy:
            assert time.monotonic() < ends_s, finding
        assert "stop button" in finding.detail or "stopped itself" in finding.detail


def test_a_franka_that_is_not_there(listener: TopicListener) -> None:
    with pytest.raises(ArmConnectionError, match=r"activate FCI|check the cable"):
        look_at_arm(franka("127.0.93.1"), listener)


@pytest.fixture
def motors(ros_domain_id: int, tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    sys.path.insert(0, str(INTERBOTIX))
    try:
        import interbotix_messages
    finally:
        sys.path.remove(str(INTERBOTIX))
    interbotix_messages.provide()
    command = [sys.executable, INTERBOTIX / "interbotix_stand_in.py", "wx250s", tmp_path / "log"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


WIDOWX = {
    "driver": "interbotix",
    "interbotix": {"connect_timeout_s": 30.0, "service_timeout_s": 10.0},
}


def test_a_widowx_and_one_with_a_motor_that_shut_itself_down(
    motors: "subprocess.Popen[str]", listener: TopicListener, tmp_path: Path
) -> None:
    seen = look_at_arm(WIDOWX, listener)
    assert judge_arm(seen).level is Level.GOOD, seen.fault
    assert "version 46" in judge_firmware(seen).detail
    assert np.isfinite(seen.joint_rad).all()
    assert judge_joints(seen).detail.startswith("6 joints at")
    assert motors.stdin is not None
    motors.stdin.write("overload elbow\n")
    motors.stdin.flush()
    ends_s = time.monotonic() + 30.0
    while not (fault := look_at_arm(WIDOWX, listener).fault):
        assert time.monotonic() < ends_s
    assert "elbow" in fault
    # Whatever a driver does to the motors is in that log; the doctor did nothing.
    log = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert {entry["what"] for entry in log} == {"fault"}


def test_a_widowx_whose_vendor_driver_is_not_started(listener: TopicListener) -> None:
    absent = {"driver": "interbotix", "interbotix": {"connect_timeout_s": 0.5}}
    with pytest.raises(ArmConnectionError, match=r"vendor's driver|interbotix_xs_msgs"):
        look_at_arm(absent, listener)
