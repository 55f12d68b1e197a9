"""Who pressed the e-stop stays on record until a person clears it, whatever else arrives."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.chunks import ControllerMode
from tmrl_controller.presses import Presses
from tmrl_controller.testing import MORE_EXAMPLES, HardwareScene

NOON_NS = int(datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()) * 10**9


def pressed_by(publishers, stamp_ns=NOON_NS + 120_000_000):
    scene = HardwareScene()
    Presses(scene.core.estop, lambda: NOON_NS).by_topic(publishers, stamp_ns)
    return scene.core.status().reason


def test_the_service_is_named_with_the_time():
    scene = HardwareScene()
    reply = Presses(scene.core.estop, lambda: NOON_NS).by_service()

    said = "e-stop was pressed: service controller/estop, at 2026-11-29 12:00:00.000 UTC"
    assert scene.core.status().reason == said
    assert reply.message == f"stopped and latched: {said}"


def test_a_button_is_named_with_the_time_at_which_it_was_pressed():
    assert pressed_by(["/cell/button"]) == (
        "e-stop was pressed: topic controller/estop, published by /cell/button, "
        "sent at 2026-11-29 12:00:00.120 UTC"
    )


def test_where_several_nodes_publish_none_is_blamed_alone():
    assert "published by one of /a, /b," in pressed_by(["/a", "/b"])
    assert "published by one of a, b, c and 2 more," in pressed_by(list("abcde"))


def test_without_a_sender_or_a_stamp_it_says_what_is_known():
    said = pressed_by([], 0)
    assert said == (
        "e-stop was pressed: topic controller/estop, heard at 2026-11-29 12:00:00.000 UTC"
    )


@given(stamp_ns=st.integers(-(2**63), 2**63 - 1))
def test_no_stamp_keeps_the_arm_from_being_stopped(stamp_ns):
    scene = HardwareScene()
    Presses(scene.core.estop).by_topic(["/button"], stamp_ns)
    assert scene.core.status().mode is ControllerMode.ESTOP


PRESSES = st.tuples(st.sampled_from(["service", "topic"]), st.integers(1, 2**62))
EVENTS = st.one_of(PRESSES, st.sampled_from(["hold", "resume", "tick", "teleop", "state", "fault"]))


@settings(max_examples=100 * MORE_EXAMPLES)
@given(before=st.lists(EVENTS, max_size=4), first=PRESSES, after=st.lists(EVENTS, max_size=12))
def test_the_first_press_stays_on_record_until_a_person_clears_it(before, first, after):
    scene = HardwareScene()
    now_ns = [NOON_NS]
    presses = Presses(scene.core.estop, lambda: now_ns[0])

    def press(door, stamp_ns):
        now_ns[0] = stamp_ns
        return presses.by_service() if door == "service" else presses.by_topic(["/b"], stamp_ns)

    def happen(event):
        if isinstance(event, tuple):
            reply = press(*event)
            assert reply.success
            assert reply.message.endswith(scene.core.status().reason)
            return
        {
            "hold": scene.core.hold,
            "resume": scene.core.resume,
            "tick": scene.tick,
            "teleop": lambda: scene.drive(2, active=False) + scene.drive(2),
            "state": scene.see,
            "fault": lambda: scene.see(fault="motor 3 is off"),
        }[event]()

    for event in before:
        happen(event)
    press(*first)
    latched = scene.core.status().reason
    for event in after:
        happen(event)
        assert scene.core.status().mode is ControllerMode.ESTOP
        assert scene.core.status().reason == latched

    assert scene.core.clear_estop("Ada").success
    happen(("topic", NOON_NS))
    assert "12:00:00.000 UTC" in scene.core.status().reason
