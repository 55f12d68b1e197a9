"""Transitions over real messages: whole, and refused by name where they are not."""

import array

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.serialization import deserialize_message, serialize_message

from tmrl_common.testing.transition_examples import assert_same, example_transition
from tmrl_common.transitions import FIELDS, InvalidTransitionError
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_ros.transition_messages import message_fields, transition_from_msg, transition_to_msg


def over_the_wire(message):
    return deserialize_message(serialize_message(message), TransitionMsg)


def test_a_message_carries_a_transition_whole():
    transition = example_transition(7)
    assert_same(transition_from_msg(over_the_wire(transition_to_msg(transition))), transition)


def test_the_table_and_the_message_have_the_same_fields():
    expected = [name for each in FIELDS for name in message_fields(each)] + ["content_hash"]
    assert sorted(expected) == sorted(TransitionMsg.get_fields_and_field_types())


def test_numbers_with_more_digits_than_float32_keep_their_hash():
    message = over_the_wire(transition_to_msg(example_transition(7, inference_s=0.1)))
    assert transition_from_msg(message).inference_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steering", "nonsense"),
        ("origin", "nobody"),
        ("episode_outcome", 77),
        ("steps", 9),
        ("cameras", ["front"]),
        ("reward", 1e30),
        ("features", array.array("f", [float("nan")] * 4)),
        ("robot", "franka"),
        ("content_hash", ""),
    ],
)
def test_a_message_that_cannot_be_is_refused_by_name(field, value):
    message = transition_to_msg(example_transition(7))
    setattr(message, field, value)
    with pytest.raises(InvalidTransitionError, match="transition 7 of "):
        transition_from_msg(over_the_wire(message))
