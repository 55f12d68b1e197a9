import pytest

from tmrl_camera.params import CameraConfig
from tmrl_common.errors import ConfigError

GIVEN = {"robot": "widowx", "camera": "wrist", "serial": "012"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("robot", ""),
        ("camera", ""),
        ("serial", ""),
        ("width_px", 0),
        ("height_px", -1),
        ("rate_hz", 0),
        ("exposure_us", -1.0),
        ("exposure_us", float("nan")),
        ("frame_timeout_s", 0.0),
        ("retry_first_s", float("inf")),
        ("retry_max_s", 0.1),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        CameraConfig(**GIVEN | {name: value})


def test_the_frame_is_named_after_robot_and_camera():
    assert CameraConfig(**GIVEN).frame_id == "widowx/wrist"
