"""Looks at the motors of a WidowX, or does to them what a person beside the arm asks for.

python -m tmrl_arm.interbotix.tool status
python -m tmrl_arm.interbotix.tool reboot shoulder --arm-is-held
python -m tmrl_arm.interbotix.tool torque-off --arm-is-held
"""

import argparse
import sys
from collections.abc import Sequence

from tmrl_arm.driver import ArmError
from tmrl_arm.interbotix.bus import Bus
from tmrl_arm.interbotix.config import InterbotixConfig
from tmrl_arm.interbotix.health import nonsense_in
from tmrl_arm.interbotix.motors import MOTOR_NAMES, Motors
from tmrl_arm.interbotix.node import InterbotixNode
from tmrl_common.clock import SteadyClock

_WELL = f"all {len(MOTOR_NAMES)} motors are well and hold their position"
_SIMULATED = "this is the vendor's simulated driver: there are no motors, and none was looked at"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one action.

    Returns:
        Exit code: 0 where it was done and all motors are well, 1 otherwise.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_arm.interbotix.tool",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("status", "torque-on", "torque-off", "reboot"))
    parser.add_argument("motor", nargs="?", choices=MOTOR_NAMES, help="reboot: which one")
    parser.add_argument("--arm-is-held", action="store_true", help="a person or a rest holds it")
    parser.add_argument("--vendor-name", default=InterbotixConfig().vendor_name)
    options = parser.parse_args(arguments)
    if options.action == "reboot" and options.motor is None:
        parser.error(f"name the motor to reboot: {', '.join(MOTOR_NAMES)}")
    config = InterbotixConfig(vendor_name=options.vendor_name)
    bus = InterbotixNode(config.vendor_name, SteadyClock())
    try:
        bus.open(config.connect_timeout_s)
        motors = Motors(bus, config)
        problem = _act(motors, bus, options)
        sentence = problem or (_SIMULATED if motors.simulated else _WELL)
    except ArmError as error:
        problem = sentence = str(error)
    finally:
        bus.close()
    sys.stdout.write(sentence + "\n")
    return 1 if problem else 0


def _act(motors: Motors, bus: Bus, options: argparse.Namespace) -> str:
    """Do it; what is wrong afterwards."""
    motors.check_model()
    if options.action == "torque-off":
        motors.torque_off(arm_is_held=options.arm_is_held)
    if options.action == "reboot":
        motors.reboot(options.motor, arm_is_held=options.arm_is_held)
    sample = bus.newest()
    if sample is None:
        return "there are no joint states"
    if options.action == "torque-on":
        problem = motors.problem() or nonsense_in(sample)
        if problem:
            return problem
        motors.stiffen(sample.position_rad)
    return motors.complaint() or nonsense_in(sample)


if __name__ == "__main__":
    sys.exit(main())
