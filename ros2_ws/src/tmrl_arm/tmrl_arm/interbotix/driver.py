"""Driver of the WidowX 250 (6 DoF): a thread that leads the motors, around `InterbotixCore`."""

import threading
import time
from collections.abc import Callable

import numpy as np

from tmrl_arm.driver import ArmCapabilities, ArmConnectionError, ArmReading
from tmrl_arm.interbotix.bus import Bus
from tmrl_arm.interbotix.config import InterbotixConfig, capabilities_of
from tmrl_arm.interbotix.core import InterbotixCore
from tmrl_arm.interbotix.kinematics import UnreachableError, tool_down
from tmrl_common.arm import ArmCommand
from tmrl_common.clock import Clock
from tmrl_common.errors import ConfigError


class InterbotixDriver:
    """`ArmDriver` of one WidowX 250."""

    def __init__(
        self,
        config: InterbotixConfig,
        clock: Clock,
        make_bus: Callable[[InterbotixConfig, Clock], Bus] | None = None,
    ) -> None:
        """Touches nothing.

        Args:
            config: The lab's settings.
            clock: For `ArmReading.measured_s`, ages and time-outs.
            make_bus: Makes the connection to the vendor's driver, not yet open; None: over ROS.

        Raises:
            ConfigError: The arm cannot reach its rest pose.
        """
        self._config, self._clock = config, clock
        self._make_bus = make_bus or _bus_over_ros
        try:
            limits_rad = (config.joint_low_rad, config.joint_high_rad)
            tool_down(np.array(config.home_position_m), limits_rad)
        except UnreachableError as error:
            raise ConfigError(f"home_position_m cannot be reached: {error}") from error
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._bus: Bus | None = None
        self._core: InterbotixCore | None = None
        self._thread: threading.Thread | None = None

    @property
    def capabilities(self) -> ArmCapabilities:
        """See `ArmDriver.capabilities`."""
        return capabilities_of(self._config)

    def connect(self) -> None:
        """See `ArmDriver.connect`. After a lost connection the arm waits for `recover`."""
        lost = self._core.lost if self._core is not None else ""
        self._let_go()
        bus = self._make_bus(self._config, self._clock)
        bus.open(self._config.connect_timeout_s)
        fault = f"the arm was out of reach: {lost}; then call arm/recover" if lost else ""
        try:
            self._core = InterbotixCore(self._config, bus, self._clock, fault)
        except ArmConnectionError:
            bus.close()
            raise
        self._bus = bus
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="interbotix_stream", daemon=True)
        self._thread.start()

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        with self._lock:
            return self._connected().read()

    def command(self, command: ArmCommand) -> None:
        """See `ArmDriver.command`."""
        with self._lock:
            self._connected().command(command)

    def stop(self) -> None:
        """See `ArmDriver.stop`."""
        with self._lock:
            self._connected().stop()

    def home(self) -> None:
        """See `ArmDriver.home`."""
        with self._lock:
            self._connected().home()

    def recover(self) -> None:
        """See `ArmDriver.recover`."""
        with self._lock:
            self._connected().recover()

    def close(self) -> None:
        """See `ArmDriver.close`. The torque stays on: without it the arm would fall."""
        self._let_go()
        self._core = None

    def _let_go(self) -> None:
        if self._thread is not None:
            self._brake()
            self._ending.set()
            self._thread.join()
            self._thread = None
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _brake(self) -> None:
        """Lets the thread bring the arm to rest, as far as there still is an arm."""
        core, ends_s = self._core, time.monotonic() + 2.0 * self._config.braking_s + 1.0
        if core is None or core.lost:
            return
        with self._lock:
            core.stop()
        while not core.at_rest and not core.lost and time.monotonic() < ends_s:
            time.sleep(1.0 / self._config.stream_rate_hz)

    def _connected(self) -> InterbotixCore:
        if self._core is None or self._thread is None:
            raise ArmConnectionError("the arm is not connected; connect first")
        if not self._thread.is_alive():
            raise ArmConnectionError(
                "the thread that leads the motors has ended, the log says why; connect again"
            )
        return self._core

    def _run(self) -> None:
        """Tick at the stream's rate, with deadlines that do not drift."""
        period_s = 1.0 / self._config.stream_rate_hz
        due_s = time.monotonic()
        while not self._ending.wait(max(due_s - time.monotonic(), 0.0)):
            with self._lock:
                if self._core is not None:
                    self._core.tick()
            # A late tick is not made up for: the next setpoint would come too early.
            due_s = max(due_s + period_s, time.monotonic())


def _bus_over_ros(config: InterbotixConfig, clock: Clock) -> Bus:
    # Tests of the driver without ROS never get here, and need no rclpy.
    from tmrl_arm.interbotix.node import InterbotixNode

    return InterbotixNode(config.vendor_name, clock)
