"""The made-up arm keeps the contract of every arm."""

import pytest

from tmrl_arm.driver import Fault
from tmrl_arm.loopback import LoopbackArm
from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.testing import FakeClock


class TestLoopback(DriverContract):
    @pytest.fixture
    def rig(self):
        clock = FakeClock(start_s=100.0)
        arm = LoopbackArm(clock)
        fault = Fault("the motor of joint 3 is overloaded; let it cool", may_recover_alone=True)
        yield DriverRig(
            driver=arm,
            let_pass=clock.advance,
            cause_fault=lambda: arm.inject_fault(fault),
            cut=arm.cut,
            mend=arm.mend,
        )
