"""RealSense cameras. The only module that imports `pyrealsense2`.

The sensors are opened one by one instead of through the library's pipeline, which does not tell why
it finds no device and cannot be pointed at a `software_device`.

The wheel of `pyrealsense2` has a Fast DDS of another version in it, and the loader merges the
globals that both export (GNU "unique" symbols): whichever is loaded second works on those of the
first. ROS's own must be loaded first, and the SDK's stay unused, or the process crashes.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

# Loads ROS's Fast DDS.
import tmrl_ros.qos  # noqa: F401 # pyright: ignore[reportUnusedImport]

# isort: split
import pyrealsense2 as rs

from tmrl_camera.camera import Calibration, CameraError, Frame, Opened, plausible_age_s
from tmrl_camera.params import CameraConfig

_HOST_CLOCKS = (rs.timestamp_domain.global_time, rs.timestamp_domain.system_time)
_MM_PER_M = 1000.0
_COLOUR_EXPOSURE_UNIT_US = 100.0
_STEREO_EXPOSURE_UNIT_US = 1.0
_SLOW_USB = ("1", "2")
_WITHOUT_DDS = '{"dds": {"enabled": false}}'


def connected_devices() -> list[Any]:
    """Every RealSense device of this machine."""
    return list(rs.context(_WITHOUT_DDS).query_devices())


class RealSenseCamera:
    """One device, found by its serial number. Implements `tmrl_camera.camera.Camera`.

    Args:
        config: Which one, and what it is to send.
        devices: Lists the devices to look among.
    """

    def __init__(
        self, config: CameraConfig, devices: Callable[[], Iterable[Any]] = connected_devices
    ) -> None:
        self._config = config
        self._devices = devices
        self._syncer: Any = None
        self._sensors: list[Any] = []
        self._align = rs.align(rs.stream.color)

    def open(self) -> Opened:
        """Finds the device and starts its streams.

        Raises:
            CameraError: It is not connected, in use, or has no such resolution, rate or exposure.
        """
        try:
            device = self._find()
            profiles = self._start(device)
            warning = self._usb_warning(device)
            return Opened(_describe(device), _calibration(profiles[0]), warning)
        except RuntimeError as error:
            raise CameraError(
                f"camera {self._config.serial} cannot be opened: {error}; does another program use "
                "it? Otherwise plug it in again"
            ) from error

    def read(self) -> Frame:
        """Waits for the next picture, with its depth where that was asked for.

        Raises:
            CameraError: None came within `frame_timeout_s`.
        """
        timeout_s = self._config.frame_timeout_s
        deadline_s = time.monotonic() + timeout_s
        try:
            while (left_s := deadline_s - time.monotonic()) > 0.0:
                frames = self._syncer.wait_for_frames(max(1, round(1000 * left_s)))
                depth_is_there = not self._config.depth or frames.get_depth_frame()
                if frames.get_color_frame() and depth_is_there:
                    return self._frame(frames)
        except RuntimeError as error:
            raise self._silent(str(error)) from error
        raise self._silent("the picture or its depth is missing")

    def close(self) -> None:
        """Stops the streams; a device that was unplugged no longer answers."""
        for sensor in self._sensors:
            for end in (sensor.stop, sensor.close):
                try:
                    end()
                except RuntimeError:
                    continue
        self._sensors = []
        self._syncer = None

    def _find(self) -> Any:
        serial = self._config.serial
        found = {_info(device, rs.camera_info.serial_number): device for device in self._devices()}
        if serial in found:
            return found[serial]
        others = [f"{other} ({_info(found[other], rs.camera_info.name)})" for other in found]
        raise CameraError(
            f"no camera with serial number {serial}; connected: {', '.join(others) or 'none'}. "
            "Check its cable and power, or the serial number in the rig's file"
        )

    def _start(self, device: Any) -> list[Any]:
        """Starts the streams and returns their profiles, colour first."""
        wanted = [(rs.stream.color, rs.format.rgb8)]
        if self._config.depth:
            wanted.append((rs.stream.depth, rs.format.z16))
        chosen = [self._choose(device, *stream) for stream in wanted]
        self._expose(chosen[0][0])
        self._syncer = rs.syncer(1)
        opened: dict[str, tuple[Any, list[Any]]] = {}
        for sensor, profile in chosen:
            name = _info(sensor, rs.camera_info.name)
            opened.setdefault(name, (sensor, []))[1].append(profile)
        for sensor, profiles in opened.values():
            if sensor.supports(rs.option.global_time_enabled):
                sensor.set_option(rs.option.global_time_enabled, 1.0)
            sensor.open(profiles)
            self._sensors.append(sensor)
            sensor.start(self._syncer)
        return [profile for _, profile in chosen]

    def _choose(self, device: Any, stream: Any, pixel_format: Any) -> tuple[Any, Any]:
        """The sensor and its profile with the wanted size and rate."""
        config = self._config
        wanted = (config.width_px, config.height_px, config.rate_hz)
        offered: set[tuple[int, int, int]] = set()
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() == stream and profile.format() == pixel_format:
                    video = profile.as_video_stream_profile()
                    offered.add((video.width(), video.height(), profile.fps()))
                    if (video.width(), video.height(), profile.fps()) == wanted:
                        return sensor, profile
        choices = ", ".join(f"{w} x {h} at {rate} Hz" for w, h, rate in sorted(offered))
        raise CameraError(
            f"camera {config.serial} has no {stream.name} stream of {wanted[0]} x {wanted[1]} at "
            f"{wanted[2]} Hz; it offers: {choices or 'none'}. Choose one as width_px, height_px "
            "and rate_hz; a USB 2 port leaves only the small ones"
        )

    def _expose(self, sensor: Any) -> None:
        exposure_us = self._config.exposure_us
        if sensor.supports(rs.option.enable_auto_exposure):
            sensor.set_option(rs.option.enable_auto_exposure, float(exposure_us == 0.0))
        if exposure_us == 0.0:
            return
        serial = self._config.serial
        if not sensor.supports(rs.option.exposure):
            raise CameraError(
                f"camera {serial} has no exposure to set; give exposure_us 0 instead of "
                f"{exposure_us:g}"
            )
        # Colour sensors count hundreds of microseconds; where colour comes from the stereo pair
        # (D405), single ones (librealsense issues 8243 and 6384).
        is_stereo = sensor.is_depth_sensor()
        unit_us = _STEREO_EXPOSURE_UNIT_US if is_stereo else _COLOUR_EXPOSURE_UNIT_US
        limits = sensor.get_option_range(rs.option.exposure)
        value = round(exposure_us / unit_us)
        if not limits.min <= value <= limits.max:
            raise CameraError(
                f"exposure_us is {exposure_us:g}; camera {serial} takes {limits.min * unit_us:g} "
                f"to {limits.max * unit_us:g}, or 0 for its automatic"
            )
        sensor.set_option(rs.option.exposure, float(value))

    def _frame(self, frames: Any) -> Frame:
        colour = frames.get_color_frame()
        age_s = 0.0
        if colour.get_frame_timestamp_domain() in _HOST_CLOCKS:
            age_s = plausible_age_s(colour.get_timestamp() / 1000.0, time.time())
        depth_mm = None
        if self._config.depth:
            depth = self._align.process(frames).get_depth_frame()
            counts = np.asanyarray(depth.get_data())
            depth_mm = (counts * (_MM_PER_M * depth.get_units())).round().astype(np.uint16)
        return Frame(np.asanyarray(colour.get_data()), age_s, depth_mm)

    def _silent(self, detail: str) -> CameraError:
        return CameraError(
            f"camera {self._config.serial} sent nothing for {self._config.frame_timeout_s:g} s "
            f"({detail}); check its cable and USB port"
        )

    def _usb_warning(self, device: Any) -> str:
        config, usb = self._config, _info(device, rs.camera_info.usb_type_descriptor)
        if not usb.startswith(_SLOW_USB):
            return ""
        return (
            f"camera {config.serial} hangs on USB {usb}: {config.width_px} x {config.height_px} at "
            f"{config.rate_hz} Hz may not come through; use a USB 3 port and cable"
        )


def _info(owner: Any, field: Any) -> str:
    """A fact about a device or sensor; empty where it does not know."""
    return owner.get_info(field) if owner.supports(field) else ""


def _describe(device: Any) -> str:
    facts = {
        "serial": rs.camera_info.serial_number,
        "firmware": rs.camera_info.firmware_version,
        "USB": rs.camera_info.usb_type_descriptor,
    }
    known = [f"{name} {_info(device, field)}" for name, field in facts.items()]
    return ", ".join([_info(device, rs.camera_info.name) or "RealSense", *known])


def _calibration(profile: Any) -> Calibration:
    found = profile.as_video_stream_profile().get_intrinsics()
    fisheye = found.model == rs.distortion.kannala_brandt4
    return Calibration(
        width_px=found.width,
        height_px=found.height,
        focal_px=(found.fx, found.fy),
        centre_px=(found.ppx, found.ppy),
        model="equidistant" if fisheye else "plumb_bob",
        distortion=tuple(found.coeffs[:4] if fisheye else found.coeffs),
    )
