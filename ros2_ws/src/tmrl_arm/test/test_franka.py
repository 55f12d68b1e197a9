"""The Franka over libfranka's real protocol, against a simulated robot in a process of its own."""

import pytest

pytest.importorskip("franky", reason="needs franky-control")

from tmrl_arm.franky_config import FrankyConfig
from tmrl_arm.franky_robot import make_driver
from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.franka_simulator import FrankaSimulator, SimulatorClock
from tmrl_arm.testing.rig import DriverRig


@pytest.fixture
def simulator(worker_id):
    # Each worker of a parallel run has loopback addresses of its own.
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    with FrankaSimulator(f"127.0.77.{1 + worker}") as started:
        yield started


def made(simulator, clock, **changes):
    config = FrankyConfig(address=simulator.address, realtime=False, **changes)
    return make_driver(config, clock)


class TestFranka(DriverContract):
    @pytest.fixture
    def rig(self, simulator):
        clock = SimulatorClock(simulator)
        yield DriverRig(
            driver=made(simulator, clock),
            let_pass=clock.sleep,
            toward_m=(0.03, 0.02, -0.03),
            cause_fault=simulator.reflex,
            cut=simulator.kill,
            mend=simulator.start,
        )
