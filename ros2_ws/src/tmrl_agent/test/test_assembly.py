"""The observation is made of whole, fresh parts of one moment, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_agent.assembly import (
    ArmReading,
    Assembled,
    NotReady,
    ObservationAssembler,
    Reading,
)
from tmrl_agent.frames import ImageReading
from tmrl_agent.images import RawPicture
from tmrl_agent.params import AgentConfig

CONFIG = AgentConfig(
    robot="widowx",
    session="run",
    run_dir="runs/run",
    server="tcp://127.0.0.1:1",
    proprio_fields=("tool_z", "tool_x", "gripper_command"),
    context_objects=("sausage.y", "carrot.x"),
    cameras=("wrist",),
    prompt="put the sausage into the pot",
    max_observation_age_s=0.3,
)
ARM = ArmReading(
    stamp_ns=2_000,
    received_s=9.9,
    values={"tool_x": 0.25, "tool_y": 0.0, "tool_z": 0.125, "gripper_command": 1.0},
    sequence=17,
    frame_id="base",
)
OBJECTS = Reading(2_000, 9.8, {"carrot.x": 0.5, "carrot.y": 0.0, "sausage.y": -0.25})
PICTURE = RawPicture("rgb8", 4, 6, 18, np.arange(100, 172, dtype=np.uint8))
IMAGE = ImageReading(2_000, 9.85, PICTURE)
NOW_S = 10.0


def assemble(arm=ARM, objects=OBJECTS, image=IMAGE, now_s=NOW_S, **changes):
    assembler = ObservationAssembler(replace(CONFIG, **changes))
    if arm is not None:
        assembler.on_arm(arm)
    if objects is not None:
        assembler.on_objects(objects)
    if image is not None:
        assembler.on_image("wrist", image)
    return assembler.assemble(now_s)


def reason(**parts):
    made = assemble(**parts)
    assert isinstance(made, NotReady)
    return made.reason


@pytest.mark.parametrize("lock_step", [False, True])
def test_values_come_in_the_declared_order(lock_step):
    made = assemble(lock_step=lock_step)
    assert isinstance(made, Assembled)
    observation = made.observation
    np.testing.assert_array_equal(observation.proprio, np.float32([0.125, 0.25, 1.0]))
    np.testing.assert_array_equal(observation.context, np.float32([-0.25, 0.5]))
    assert observation.proprio.dtype == observation.context.dtype == np.float32
    assert observation.images["wrist"].shape == (4, 6, 3)
    assert made.image_stamps_ns == {"wrist": IMAGE.stamp_ns}
    assert observation.prompt == CONFIG.prompt
    assert (observation.arm_state_sequence, made.stamp_ns, made.frame_id) == (17, 2_000, "base")


def test_the_age_is_that_of_the_oldest_part():
    assert assemble().observation.age_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("part", "topic"),
    [("arm", "arm/state"), ("objects", "perception/objects"), ("image", "camera/wrist/image")],
)
def test_a_missing_part_is_named(part, topic):
    assert topic in reason(**{part: None})


@pytest.mark.parametrize(
    ("part", "topic"),
    [("arm", "arm/state"), ("objects", "perception/objects"), ("image", "camera/wrist/image")],
)
def test_a_stale_part_is_named_with_its_age_and_the_limit(part, topic):
    stale = replace({"arm": ARM, "objects": OBJECTS, "image": IMAGE}[part], received_s=9.5)
    text = reason(**{part: stale})
    assert topic in text
    assert "0.500 s" in text
    assert "0.300 s" in text


def test_a_picture_that_cannot_be_used_says_so_instead_of_being_missing():
    text = reason(image=ImageReading(2_000, 9.85, None, "has the encoding 'mono8'; choose rgb8"))
    assert text == "camera/wrist/image has the encoding 'mono8'; choose rgb8"


def test_a_camera_on_a_topic_of_its_own_is_named_by_both():
    text = reason(image=None, camera_topics=("/usb_cam/image_raw",))
    assert "/usb_cam/image_raw (camera wrist)" in text


def test_pictures_are_made_smaller_on_their_way():
    large = RawPicture("rgb8", 48, 64, 192, np.arange(48 * 192).astype(np.uint8))
    made = assemble(image=ImageReading(2_000, 9.85, large), max_image_px=32)
    assert made.observation.images["wrist"].shape == (24, 32, 3)


def test_in_lock_step_age_does_not_matter_but_the_stamp_does():
    assert isinstance(assemble(now_s=1e6, lock_step=True), Assembled)
    late = replace(OBJECTS, stamp_ns=200_002_000)
    assert "+0.200 s" in reason(objects=late, lock_step=True)


DAY_NS = 86_400_000_000_000


def shown(lag_s, **changes):
    """What comes of a picture that arrives with the arm's state, but was taken that much before."""
    arm = replace(ARM, stamp_ns=DAY_NS)
    image = replace(IMAGE, stamp_ns=DAY_NS - round(lag_s * 1e9), received_s=ARM.received_s)
    return assemble(arm=arm, image=image, **changes)


@pytest.mark.parametrize("behind", ["arm", "objects", "image"])
def test_in_lock_step_no_topic_that_is_behind_loses_a_moment(behind):
    """Each topic has a queue of its own, of which a busy agent reads one message at a time."""
    assembler = ObservationAssembler(replace(CONFIG, lock_step=True))
    parts = [
        ("arm", lambda k: assembler.on_arm(replace(ARM, sequence=k, stamp_ns=k))),
        ("objects", lambda k: assembler.on_objects(replace(OBJECTS, stamp_ns=k))),
        ("image", lambda k: assembler.on_image("wrist", replace(IMAGE, stamp_ns=k))),
    ]
    for _, take in sorted(parts, key=lambda part: part[0] == behind):
        for stamp_ns in range(1, 8):
            take(stamp_ns)

    assert [moment.arm.sequence for moment in assembler.past] == list(range(1, 8))
    for moment in assembler.past:
        made = assembler.join(moment, NOW_S)
        assert isinstance(made, Assembled), made
        assert made.image_stamps_ns["wrist"] == made.stamp_ns == moment.arm.stamp_ns


def test_a_picture_that_was_long_under_way_is_named_with_limit_and_remedy():
    late = shown(3.0)
    assert isinstance(late, NotReady)
    for words in ("camera/wrist/image", "3.000 s", "0.500 s", "max_image_lag_s to 0"):
        assert words in late.reason
    assert isinstance(shown(3.0, max_image_lag_s=5.0), Assembled)


def test_a_picture_from_the_future_tells_of_clocks_that_differ():
    assert "3.000 s ahead of arm/state" in shown(-3.0).reason


def test_the_age_counts_the_time_that_a_picture_was_under_way():
    assert shown(0.4).observation.age_s == pytest.approx(NOW_S - ARM.received_s + 0.4)


def test_the_stamps_of_an_unsynchronised_host_may_be_left_out():
    for lag_s in (3.0, -3.0):
        seen = shown(lag_s, max_image_lag_s=0.0)
        assert seen.observation.age_s == pytest.approx(0.2), "that of the objects"


def test_a_picture_without_a_stamp_is_judged_by_its_arrival():
    assert isinstance(shown(DAY_NS / 1e9), Assembled)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["tool_x", "carrot.x"])
def test_what_is_no_number_is_refused(name, value):
    arm, objects = ARM, OBJECTS
    if name == "tool_x":
        arm = replace(ARM, values=dict(ARM.values) | {name: value})
    else:
        objects = replace(OBJECTS, values=dict(OBJECTS.values) | {name: value})
    assert f"'{name}'" in reason(arm=arm, objects=objects)


def test_a_name_that_does_not_exist_gets_the_nearest_that_does():
    assert "did you mean 'carrot.x'" in reason(context_objects=("carot.x",))


def test_an_arm_with_a_fault_is_not_observed():
    assert "motor 3" in reason(arm=replace(ARM, fault="motor 3 is off"))


def test_values_that_nobody_asked_for_may_be_anything():
    values = dict(ARM.values) | {"tool_y": float("nan")}
    assert isinstance(assemble(arm=replace(ARM, values=values)), Assembled)
