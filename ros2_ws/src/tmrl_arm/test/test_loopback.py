"""The made-up arm keeps the contract of every arm."""

import pytest

from tmrl_arm.driver import Fault
from tmrl_arm.loopback import LoopbackArm, LoopbackConfig
from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.errors import ConfigError
from tmrl_common.testing import FakeClock


class TestLoopback(DriverContract):
    @pytest.fixture
    def rig(self):
        clock = FakeClock(start_s=100.0)
        arm = LoopbackArm(LoopbackConfig(), clock)
        fault = Fault("the motor of joint 3 is overloaded; let it cool", may_recover_alone=True)
        yield DriverRig(
            driver=arm,
            let_pass=clock.advance,
            cause_fault=lambda: arm.inject_fault(fault),
            cut=arm.cut,
            mend=arm.mend,
        )


def test_it_has_the_joints_of_the_arm_that_it_stands_in_for() -> None:
    config = LoopbackConfig(("left", "right"), (0.5, -0.5))
    arm = LoopbackArm(config, FakeClock())
    arm.connect()
    assert arm.capabilities.joint_names == ("left", "right")
    assert arm.read().joint_position_rad.tolist() == [0.5, -0.5]
    with pytest.raises(ConfigError, match="1 positions for 2 joint_names"):
        LoopbackConfig(("left", "right"), (0.5,))
