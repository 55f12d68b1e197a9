"""A hand whose movements block, and wishes that do not."""

import threading

import pytest

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.franka.franka_robot import HandError
from tmrl_arm.franka.gripper_thread import GripperThread
from tmrl_common.testing.waiting import wait_until

TIMEOUT_S = 60.0


class SlowHand:
    """Ends a movement when the test lets it."""

    def __init__(self) -> None:
        self.at = 0.5
        self.moves = []
        self.may_end = threading.Event()
        self.error = None

    def opening(self):
        if self.error is not None and not isinstance(self.error, HandError):
            raise self.error
        return self.at

    def start(self, opening):
        self.moves.append(opening)

    def wait(self, timeout_s):
        if self.error is not None:
            raise self.error
        if not self.may_end.wait(timeout_s):
            return False
        self.at = self.moves[-1]
        return True


@pytest.fixture
def hand():
    return SlowHand()


@pytest.fixture
def gripper(hand):
    thread = GripperThread(hand)
    yield thread
    hand.may_end.set()
    thread.close()


def wait_for(condition) -> None:
    wait_until(condition, "the gripper's thread", TIMEOUT_S)


def test_it_begins_where_the_hand_is_and_moves_nothing(hand, gripper):
    assert (gripper.opening, gripper.wished) == (0.5, 0.5)
    gripper.wish(0.505)
    assert hand.moves == []


def test_of_the_wishes_during_a_movement_only_the_newest_is_carried_out(hand, gripper):
    gripper.wish(1.0)
    wait_for(lambda: hand.moves == [1.0])
    for opening in (0.0, 0.7, 0.2):
        gripper.wish(opening)
    assert gripper.wished == 0.2
    hand.may_end.set()
    wait_for(lambda: gripper.opening == 0.2)
    assert hand.moves == [1.0, 0.2]


def test_a_failed_movement_is_told_and_not_repeated_until_recovered(hand, gripper):
    hand.error = HandError("the fingers are blocked")
    gripper.wish(0.0)
    wait_for(lambda: gripper.problem)
    assert "opening 0.00: the fingers are blocked" in gripper.problem
    hand.error = None
    gripper.wish(1.0)
    gripper.recover()
    assert (gripper.problem, gripper.wished) == ("", 0.5)
    hand.may_end.set()
    gripper.wish(0.9)
    wait_for(lambda: gripper.opening == 0.9)
    assert hand.moves == [0.0, 0.9]


def test_a_broken_connection_is_told(hand, gripper):
    hand.error = ArmConnectionError("the hand is gone")
    wait_for(lambda: gripper.lost)
    assert gripper.lost == "the hand is gone"


def test_an_error_that_nobody_thought_of_is_told_as_a_loss(hand, gripper):
    hand.error = ZeroDivisionError("the width is 0")
    wait_for(lambda: gripper.lost)
    assert "ZeroDivisionError: the width is 0" in gripper.lost
