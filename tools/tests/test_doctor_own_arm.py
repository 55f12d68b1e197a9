"""The doctor at an arm of a lab's own: of real ones it keeps its hands."""

import sys
from pathlib import Path
from typing import cast

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.testing.drivers import offer_driver
from tmrl_doctor.arm_probe import ArmNotAskedError, look_at_arm
from tmrl_doctor.topic_listener import TopicListener

TOY = """
from tmrl_common.arm_drivers import DriverDescription
DESCRIPTION = DriverDescription("toy", "toy_vendor:Arm", simulated={simulated})
"""
VENDOR = """
from tmrl_arm.loopback import LoopbackArm, LoopbackConfig

def Arm(clock):
    return LoopbackArm(LoopbackConfig(), clock)
"""


class Silence:
    """A network on which nothing is published."""

    def is_published(self, name: str, wait_s: float) -> bool:
        return False


@pytest.fixture
def listener() -> TopicListener:
    return cast(TopicListener, Silence())


def offer(folder: Path, monkeypatch: pytest.MonkeyPatch, *, simulated: bool) -> None:
    monkeypatch.syspath_prepend(folder)
    for name in ("toy_arm", "toy_vendor"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    sources = {"toy_arm": TOY.format(simulated=simulated), "toy_vendor": VENDOR}
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, sources)


def test_a_real_arm_that_does_not_run_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: TopicListener
) -> None:
    offer(tmp_path, monkeypatch, simulated=False)

    with pytest.raises(ArmNotAskedError, match="driver toy: connecting might touch the arm"):
        look_at_arm({"driver": "toy"}, listener)
    assert "toy_vendor" not in sys.modules


def test_a_simulated_one_is_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: TopicListener
) -> None:
    offer(tmp_path, monkeypatch, simulated=True)

    assert look_at_arm({"driver": "toy"}, listener).through == "driver toy"
