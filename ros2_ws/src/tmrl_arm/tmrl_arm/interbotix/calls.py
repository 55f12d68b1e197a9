"""The vendor's requests and commands as calls on plain types, over clients made elsewhere."""

# The vendor's messages have no types.
# pyright: basic

from collections.abc import Callable
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import numpy as np

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.interbotix.bus import Array, MotorInfo, Motors, Register
from tmrl_arm.interbotix.config import GRIPPER
from tmrl_arm.interbotix.endpoints import Endpoints


class VendorCalls:
    """The requests and commands of `bus.Bus`."""

    _endpoints: Endpoints
    _messages: ModuleType
    _services: ModuleType

    def info(self, motors: Motors) -> Future[MotorInfo]:
        """See `Bus.info`."""
        request = self._services.RobotInfo.Request(cmd_type=motors.kind, name=motors.name)
        return _ask(self._endpoints.srv_get_info, request, _to_info)

    def get_registers(self, motors: Motors, register: Register) -> Future[tuple[int, ...]]:
        """See `Bus.get_registers`."""
        request = self._register_request(motors, register)
        return _ask(self._endpoints.srv_get_reg, request, lambda answer: tuple(answer.values))

    def set_registers(self, motors: Motors, register: Register, value: int) -> Future[None]:
        """See `Bus.set_registers`."""
        request = self._register_request(motors, register, value)
        return _ask(self._endpoints.srv_set_reg, request, _nothing)

    def set_mode(self, motors: Motors, mode: str) -> Future[None]:
        """See `Bus.set_mode`."""
        request = self._services.OperatingModes.Request(
            cmd_type=motors.kind, name=motors.name, mode=mode, profile_type="velocity"
        )
        return _ask(self._endpoints.srv_set_op_modes, request, _nothing)

    def set_torque(self, motors: Motors, *, on: bool) -> Future[None]:
        """See `Bus.set_torque`."""
        request = self._services.TorqueEnable.Request(
            cmd_type=motors.kind, name=motors.name, enable=on
        )
        return _ask(self._endpoints.srv_torque, request, _nothing)

    def reboot(self, motors: Motors) -> Future[None]:
        """See `Bus.reboot`."""
        request = self._services.Reboot.Request(
            cmd_type=motors.kind, name=motors.name, enable=True, smart_reboot=False
        )
        return _ask(self._endpoints.srv_reboot, request, _nothing)

    def write_arm(self, position_rad: Array) -> None:
        """See `Bus.write_arm`."""
        message = self._messages.JointGroupCommand(name="arm", cmd=position_rad.tolist())
        self._endpoints.pub_group.publish(message)

    def write_gripper(self, finger_m: float) -> None:
        """See `Bus.write_gripper`."""
        # The vendor's mode "linear_position" counts from finger to finger.
        message = self._messages.JointSingleCommand(name=GRIPPER, cmd=2.0 * finger_m)
        self._endpoints.pub_single.publish(message)

    def _register_request(self, motors: Motors, register: Register, value: int = 0) -> Any:
        return self._services.RegisterValues.Request(
            cmd_type=motors.kind, name=motors.name, reg=register.value, value=value
        )


def _ask(client: Any, request: Any, convert: Callable[[Any], Any]) -> Future[Any]:
    """Calls a service; the future holds the converted answer, or the error."""
    answer: Future[Any] = Future()

    def done(call: Any) -> None:
        if call.cancelled() or call.exception() is not None:
            answer.set_exception(
                ArmConnectionError(f"{client.srv_name} failed: {call.exception()}")
            )
        else:
            answer.set_result(convert(call.result()))

    client.call_async(request).add_done_callback(done)
    return answer


def _nothing(_: Any) -> None:
    return None


def _to_info(answer: Any) -> MotorInfo:
    return MotorInfo(
        joint_names=tuple(answer.joint_names),
        mode=answer.mode,
        profile_type=answer.profile_type,
        low=np.array(answer.joint_lower_limits, dtype=np.float64),
        high=np.array(answer.joint_upper_limits, dtype=np.float64),
    )
