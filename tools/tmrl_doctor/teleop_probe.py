"""Looks at a person's device for some seconds: at the device itself, or through its topic."""

import time
from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Joy

from tmrl_common.constraints import read_fields
from tmrl_common.errors import ConfigError
from tmrl_doctor.finding import Finding, failed, skipped
from tmrl_doctor.hearing import NotHeardError
from tmrl_doctor.silence import likely_cause
from tmrl_doctor.teleop import GUIDE, DeviceSeen, judge_device
from tmrl_doctor.topic_listener import TopicListener
from tmrl_ros import qos
from tmrl_teleop.device import DeviceError, DeviceKind, OpenDevice
from tmrl_teleop.local_devices import LOCAL_DEVICES
from tmrl_teleop.params import REPEAT_S, TeleopConfig

WATCH_S = 5.0
_FIND_S = 2.0
_LATE_S = 20.0
"""Longest wait for a first reading through a topic: on a busy machine, joining takes seconds."""
_MANY = 10_000
_MOVED = 0.2
"""Change of an axis that is no noise, of its way from the middle to one end."""

LOOKS_S = 3.0 * (_FIND_S + WATCH_S + _LATE_S)
"""Ample time for all of it."""


class _NoDriverError(Exception):
    """Nobody publishes what the device's driver would."""


def check_device(
    values: Mapping[str, Any],
    listener: TopicListener,
    kinds: Mapping[str, DeviceKind] = LOCAL_DEVICES,
    watch_s: float = WATCH_S,
) -> Finding:
    """Looks and judges.

    Args:
        values: The rig's part `teleop`, without examples.
        listener: In the rig's namespace.
        kinds: Those that are read on this machine, by their names in the rig.
        watch_s: Longest time for a person to press something, s.
    """
    typed, problems = read_fields(TeleopConfig, values)
    try:
        if problems:
            raise ConfigError("; ".join(problems))
        config = TeleopConfig(**typed)
    except ConfigError as error:
        return skipped(str(error), "complete the rig's file first")
    try:
        return judge_device(_look(config, listener, kinds, watch_s), config)
    except DeviceError as error:
        return failed(error.detail, error.remedy)
    except NotHeardError as error:
        return failed(str(error), error.remedy)
    except _NoDriverError as error:
        return skipped(str(error), f"start its driver ({GUIDE}), then run the doctor beside it")


def _look(
    config: TeleopConfig,
    listener: TopicListener,
    kinds: Mapping[str, DeviceKind],
    watch_s: float,
) -> DeviceSeen:
    if kind := kinds.get(config.device):
        return _on_this_machine(kind, config.device_path, watch_s)
    if config.device == "twist":
        _hear(TwistStamped, "teleop/twist", listener, watch_s)
    return _through_topic("teleop/joy", listener, watch_s)


def _on_this_machine(kind: DeviceKind, path: str, watch_s: float) -> DeviceSeen:
    with OpenDevice(kind, path) as device:
        state, ends_s = device.state, time.monotonic() + watch_s
        states = [(state.axes, state.buttons)]
        while time.monotonic() < ends_s:
            if device.hear(REPEAT_S):
                states.append((state.axes, state.buttons))
    through = f"{state.name} at {device.path}"
    return DeviceSeen(through, len(state.axes), len(state.buttons), _touched(states))


def _through_topic(topic: str, listener: TopicListener, watch_s: float) -> DeviceSeen:
    received = _hear(Joy, topic, listener, watch_s)
    axes, buttons = received[-1].axes, received[-1].buttons
    alike = [each for each in received if len(each.axes) == len(axes)]
    states = [(tuple(each.axes), tuple(map(bool, each.buttons))) for each in alike]
    rate_hz = len(received) / watch_s
    return DeviceSeen(f"topic {topic}", len(axes), len(buttons), _touched(states), rate_hz)


def _hear(kind: type, topic: str, listener: TopicListener, watch_s: float) -> list[Any]:
    """The messages of some seconds, at least one; waits longer for that where none comes."""
    if not listener.is_published(topic, _FIND_S):
        raise _NoDriverError(f"nobody publishes {topic}")
    received = listener.receive(kind, topic, qos.IMAGE_OF_OTHERS, enough=_MANY, wait_s=watch_s)
    if not received:
        received = listener.receive(kind, topic, qos.IMAGE_OF_OTHERS, enough=1, wait_s=_LATE_S)
    if not received:
        who = ", ".join(sorted({each.node for each in listener.publishers(topic)}))
        raise NotHeardError(
            f"{topic}: {who} publishes it, and nothing is heard",
            "without autorepeat_rate joy_node says nothing of a device at rest; otherwise "
            + likely_cause(),
        )
    return [message for _, message in received]


def _touched(states: list[tuple[tuple[float, ...], tuple[bool, ...]]]) -> tuple[str, ...]:
    """The axes that moved, and the buttons that were pressed at any time."""
    first, _ = states[0]
    moved = {
        number
        for axes, _ in states
        for number, (before, now) in enumerate(zip(first, axes, strict=True))
        if abs(now - before) > _MOVED
    }
    pressed = {number for _, buttons in states for number, down in enumerate(buttons) if down}
    return (
        *(f"axis {number} moved" for number in sorted(moved)),
        *(f"button {number} pressed" for number in sorted(pressed)),
    )
