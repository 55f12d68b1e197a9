"""A camera that stands still, is covered or sends nonsense is named; a living one is not."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_agent.frames import CameraWatch, ImageReading
from tmrl_agent.images import CompressedPicture, RawPicture
from tmrl_agent.params import AgentConfig

CONFIG = AgentConfig(
    robot="widowx",
    session="run",
    run_dir="runs/run",
    server="tcp://127.0.0.1:1",
    proprio_fields=("tool_x",),
    cameras=("wrist",),
    frozen_after_s=0.5,
)
SCENE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def watch(**changes):
    return CameraWatch("camera/wrist/image", replace(CONFIG, **changes))


def problem(made, now_s):
    return made.problem(made.glance, now_s)


def reading(now_s, pixels):
    height, width, _ = pixels.shape
    content = pixels.reshape(-1).copy()
    return ImageReading(
        round(now_s * 1e9), now_s, RawPicture("rgb8", height, width, 3 * width, content)
    )


def shown(camera, pixels, times_s):
    """Shows pictures and returns what was wrong after each."""
    problems = []
    for at_s in times_s:
        camera.take(reading(at_s, pixels))
        problems.append(problem(camera, at_s))
    return problems


def test_a_picture_that_repeats_itself_is_frozen_until_it_changes():
    camera = watch()
    problems = shown(camera, SCENE, [0.0, 0.25, 0.5, 0.75])
    assert problems[:3] == ["", "", ""]
    assert "camera/wrist/image is frozen" in problems[3]
    assert "0.8 s" in problems[3]
    assert shown(camera, SCENE ^ 1, [1.0]) == [""]


def test_one_changed_bit_is_a_new_picture():
    camera = watch()
    other = SCENE.copy()
    other[47, 63, 2] ^= 1
    for at_s in np.arange(0.0, 3.0, 0.2):
        assert shown(camera, SCENE, [at_s]) == [""]
        assert shown(camera, other, [at_s + 0.1]) == [""]


def test_a_still_world_in_lock_step_and_a_limit_of_0_never_freeze():
    for changes in ({"lock_step": True}, {"frozen_after_s": 0.0}):
        assert shown(watch(**changes), SCENE, [0.0, 100.0]) == ["", ""]


@pytest.mark.parametrize("lock_step", [False, True])
def test_a_covered_camera_is_black_until_it_is_uncovered(lock_step):
    camera = watch(lock_step=lock_step)
    assert "is black" in shown(camera, SCENE // 64, [0.0])[0]
    assert shown(camera, SCENE, [0.1]) == [""]


def test_a_camera_may_change_its_resolution():
    camera = watch()
    assert shown(camera, SCENE, [0.0]) == [""]
    assert shown(camera, SCENE[:24, :32], [0.1]) == [""]
    np.testing.assert_array_equal(camera.pixels(camera.glance.reading), SCENE[:24, :32])


def test_a_refused_picture_is_a_problem_until_a_good_one_comes():
    camera = watch()
    assert shown(camera, SCENE, [0.0]) == [""]
    camera.take(ImageReading(1, 0.1, None, "has the encoding 'mono8'"))
    assert problem(camera, 0.1) == "camera/wrist/image has the encoding 'mono8'"
    assert shown(camera, SCENE, [0.2]) == [""]


def test_a_file_that_cannot_be_decoded_names_the_camera():
    camera = watch()
    broken = CompressedPicture("jpeg", np.zeros(10, dtype=np.uint8))
    camera.take(ImageReading(1, 0.0, broken))
    assert problem(camera, 0.0).startswith("camera/wrist/image cannot be decoded")


def test_a_camera_that_never_sent_anything_is_missing():
    assert "no camera/wrist/image has arrived" in problem(watch(), 0.0)
