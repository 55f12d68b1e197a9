"""The simulated WidowX keeps the contract of every arm."""

import pytest

from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.testing import FakeClock
from tmrl_sim.driver import SimulatedArm


class TestSimulatedArm(DriverContract):
    @pytest.fixture
    def rig(self):
        clock = FakeClock(start_s=10.0)
        yield DriverRig(
            driver=SimulatedArm(clock),
            let_pass=clock.advance,
            toward_m=(0.02, 0.02, 0.02),
            lacks=frozenset({"fault", "cable"}),
        )
