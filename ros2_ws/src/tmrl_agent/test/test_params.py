import pytest

from tmrl_agent.params import AgentConfig
from tmrl_common.errors import ConfigError

GIVEN = {
    "robot": "widowx",
    "session": "run",
    "run_dir": "runs/run",
    "server": "tcp://127.0.0.1:1",
    "proprio_fields": ("tool_x",),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("robot", ""),
        ("session", ""),
        ("run_dir", ""),
        ("server", ""),
        ("proprio_fields", ()),
        ("execute_steps", 0),
        ("max_refusals", 0),
        ("seed", -1),
        ("deadline_s", 0.0),
        ("max_observation_age_s", float("nan")),
        ("retry_max_s", 0.01),
        ("unknown_learner_source", "actor"),
        ("request_sigma_cap", 1.5),
        ("request_z_cap", 0.0),
        ("cameras", ("wrist", "wrist")),
        ("camera_topics", ("/usb_cam/image_raw",)),
        ("max_image_px", 16),
        ("frozen_after_s", -1.0),
        ("frozen_after_s", float("nan")),
        ("black_below", 255.0),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        AgentConfig(**GIVEN | {name: value})


def test_topics_follow_the_names_of_the_cameras_unless_they_are_given():
    cameras = {"cameras": ("front", "wrist")}
    assert AgentConfig(**GIVEN | cameras).image_topics == {
        "front": "camera/front/image",
        "wrist": "camera/wrist/image",
    }
    given = cameras | {"camera_topics": ("/usb_cam/image_raw", "wrist/compressed")}
    assert AgentConfig(**GIVEN | given).image_topics["front"] == "/usb_cam/image_raw"
