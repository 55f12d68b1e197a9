"""The limiter: whatever is wanted, what comes out is within the limits."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.geometry import (
    IDENTITY_QUATERNION,
    move_pose,
    quaternion_from_rotation_vector,
)
from tmrl_controller.limiter import (
    InputRefusedError,
    Limit,
    Limited,
    Motion,
    Move,
    Setpoint,
    beyond_lead,
    limit_move,
    rotation_between,
)
from tmrl_controller.limiter.motion import limit_gripper, shorten
from tmrl_controller.testing import CONFIG, MORE_EXAMPLES

LIMITS = CONFIG.motion_limits
PERIOD_S = CONFIG.control_period_s
CENTRE = Setpoint(np.array([0.275, 0.0, 0.15]), IDENTITY_QUATERNION, 0.5)
SLACK = 1.0 + 1e-5


def move(translation_m=(0.0, 0.0, 0.0), rotation_rad=(0.0, 0.0, 0.0), gripper=0.5):
    return Move(np.array(translation_m), np.array(rotation_rad), gripper)


def at(position_m, quaternion=IDENTITY_QUATERNION, gripper=0.5):
    return Setpoint(np.array(position_m), quaternion, gripper)


def limited(wanted, previous=CENTRE, measured=None, dt_s=PERIOD_S):
    motion = Motion.at_rest(previous)
    return limit_move(LIMITS, motion, wanted, measured or previous, dt_s)


def step_m(result, dt_s=PERIOD_S):
    return result.motion.linear_m_s * dt_s


def step_rad(result, dt_s=PERIOD_S):
    return result.motion.angular_rad_s * dt_s


def test_a_move_within_all_limits_passes_unchanged():
    result = limited(move((0.01, -0.02, 0.0), (0.1, 0.0, -0.1), 0.9))

    assert result.acted == frozenset()
    assert step_m(result) == pytest.approx([0.01, -0.02, 0.0])
    assert result.motion.setpoint.position_m == pytest.approx([0.285, -0.02, 0.15])
    turned = rotation_between(IDENTITY_QUATERNION, result.motion.setpoint.quaternion)
    assert turned == pytest.approx([0.1, 0.0, -0.1])
    assert result.motion.setpoint.gripper == pytest.approx(0.9)


def test_a_long_translation_is_shortened_without_bending_it():
    result = limited(move((0.03, 0.04, 0.0)))

    assert result.acted == {Limit.TRANSLATION}
    assert step_m(result) == pytest.approx([0.015, 0.02, 0.0])


@pytest.mark.parametrize(
    ("relative_excess", "acted"), [(0.8e-6, set()), (1.5e-6, {Limit.TRANSLATION})]
)
def test_only_what_float32_rounds_is_too_little_to_report(relative_excess, acted):
    longest_m = CONFIG.max_translation_m * (1.0 + relative_excess)

    assert limited(move((longest_m, 0.0, 0.0))).acted == acted


def test_the_edge_of_what_is_too_little_belongs_to_it():
    acted = set()

    assert shorten(np.array([1.0 + 1e-6, 0, 0]), 1.0, Limit.LEAD, acted)[0] == 1.0 + 1e-6
    assert limit_gripper(0.0, -1e-6, 1.0, acted) == 0.0
    assert limit_gripper(0.0, 1e-6, 0.0, acted) == 0.0
    assert limited(move(), dt_s=PERIOD_S * (1.0 + 1e-6)).acted == acted == set()


def test_a_target_of_the_tool_says_nothing_of_joints():
    result = limited(move((0.01, 0.0, 0.0)))

    assert result.motion.setpoint.joint_position_rad.size == 0
    assert result.motion.joint_velocity_rad_s.size == 0
    assert Motion.at_rest(result.motion.setpoint).joint_velocity_rad_s.size == 0


def test_a_large_rotation_keeps_its_axis():
    result = limited(move(rotation_rad=(0.0, 0.0, 0.5)))

    assert result.acted == {Limit.ROTATION}
    assert step_rad(result) == pytest.approx([0.0, 0.0, 0.25])


def test_the_limits_shrink_with_the_time_given():
    result = limited(move((0.02, 0.0, 0.0), (0.2, 0.0, 0.0), 1.0), dt_s=PERIOD_S / 10)

    # A tenth of the period allows a tenth of the way, and from rest a hundredth of the change.
    assert step_m(result, PERIOD_S / 10) == pytest.approx([0.0005, 0.0, 0.0])
    assert step_rad(result, PERIOD_S / 10) == pytest.approx([0.005, 0.0, 0.0])
    assert result.motion.setpoint.gripper == pytest.approx(0.6)
    assert {Limit.TRANSLATION, Limit.ROTATION, Limit.GRIPPER_RATE} <= result.acted


def test_the_velocity_of_a_step_is_what_the_next_seam_starts_from():
    limits = replace(LIMITS, max_translation_change_m=0.01, max_rotation_change_rad=0.1)
    wanted = move((0.02, 0.0, 0.0), (0.0, 0.2, 0.0))

    first = limit_move(limits, Motion.at_rest(CENTRE), wanted, CENTRE, PERIOD_S)
    second = limit_move(limits, first.motion, wanted, CENTRE, PERIOD_S)

    assert first.motion.linear_m_s == pytest.approx([0.01 / PERIOD_S, 0.0, 0.0])
    assert first.motion.angular_rad_s == pytest.approx([0.0, 0.1 / PERIOD_S, 0.0])
    assert step_m(second) == pytest.approx([0.02, 0.0, 0.0])
    assert step_rad(second) == pytest.approx([0.0, 0.2, 0.0])


def test_at_a_wall_of_the_box_the_target_slides_along_it():
    near_wall = at([0.395, 0.0, 0.15])

    result = limited(move((0.02, 0.01, 0.0)), near_wall)

    assert result.acted == {Limit.WORKSPACE}
    assert result.motion.setpoint.position_m == pytest.approx([0.40, 0.01, 0.15])


def test_the_seam_bounds_how_far_a_step_may_differ_from_the_one_before():
    limits = replace(LIMITS, max_translation_change_m=0.01, max_rotation_change_rad=0.1)
    before = Motion(CENTRE, np.array([0.1, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))

    result = limit_move(limits, before, move((-0.02, 0.0, 0.0), (0.0, 0.0, -0.2)), CENTRE, PERIOD_S)

    assert result.acted == {Limit.SEAM_TRANSLATION, Limit.SEAM_ROTATION}
    assert step_m(result) == pytest.approx([0.01, 0.0, 0.0])
    assert step_rad(result) == pytest.approx([0.0, 0.0, 0.1])


@pytest.mark.parametrize(("excess_m", "acted"), [(2e-5, {Limit.WORKSPACE}), (1e-9, set())])
def test_a_wall_that_was_touched_is_reported_unless_by_rounding(excess_m, acted):
    near_wall = at([LIMITS.high_m[0] - 0.01, 0.0, 0.15])

    result = limited(move((0.01 + excess_m, 0.0, 0.0)), near_wall)

    assert result.acted == acted


def test_the_wall_wins_over_the_seam():
    limits = replace(LIMITS, max_translation_change_m=0.001)
    at_wall = at([0.399, 0.0, 0.15])
    before = Motion(at_wall, np.array([0.125, 0.0, 0.0]), np.zeros(3))

    result = limit_move(limits, before, move(), at_wall, PERIOD_S)

    assert Limit.WORKSPACE in result.acted
    assert result.motion.setpoint.position_m[0] == LIMITS.high_m[0]


def test_a_blocked_arm_winds_up_no_more_than_the_lead():
    target = CENTRE
    motion = Motion.at_rest(target)
    for _ in range(30):
        motion = limit_move(
            LIMITS, motion, move((0.0, 0.02, 0.0), (0.0, 0.2, 0.0)), CENTRE, PERIOD_S
        ).motion

    lead_m = np.linalg.norm(motion.setpoint.position_m - CENTRE.position_m)
    lead_rad = np.linalg.norm(rotation_between(CENTRE.quaternion, motion.setpoint.quaternion))
    assert lead_m == pytest.approx(CONFIG.max_lead_m)
    assert lead_rad == pytest.approx(CONFIG.max_lead_rad)


@pytest.mark.parametrize(
    ("leads", "turned_leads", "said"),
    [
        (0.0, 0.0, ""),
        (1.0, 1.0, ""),
        (1.0 + 1e-7, 1.0 + 1e-7, ""),
        (1.001, 0.0, "0.100 m and 0.000 rad away"),
        (0.0, 1.001, "0.000 m and 0.801 rad away"),
        (2.0, 2.0, "0.200 m and 1.600 rad away"),
    ],
)
def test_an_arm_that_left_its_target_by_more_than_the_lead_is_told(leads, turned_leads, said):
    away_m = np.array([0.0, 0.0, -leads * CONFIG.max_lead_m])
    turn = quaternion_from_rotation_vector([0.0, turned_leads * CONFIG.max_lead_rad, 0.0])

    told = beyond_lead(LIMITS, CENTRE, at(CENTRE.position_m + away_m, turn))

    assert said in told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    "wanted", [move((0.0, 0.0, 0.02)), move(rotation_rad=(0.0, 0.2, 0.0))], ids=["way", "turn"]
)
def test_a_target_that_ran_ahead_is_reported_as_lead(wanted):
    behind = at(
        CENTRE.position_m - [0.0, 0.0, CONFIG.max_lead_m],
        quaternion_from_rotation_vector([0.0, -CONFIG.max_lead_rad, 0.0]),
    )

    result = limited(wanted, CENTRE, behind)

    assert result.acted == {Limit.LEAD}


def test_a_rotation_within_all_limits_is_executed_to_the_last_bit():
    start = at(CENTRE.position_m, quaternion_from_rotation_vector([0.3, -0.2, 0.1]))
    wanted = move(rotation_rad=(0.11, 0.07, -0.05))

    result = limited(wanted, start)

    _, expected = move_pose(np.zeros(3), start.quaternion, np.zeros(3), wanted.rotation_rad)
    assert result.motion.setpoint.quaternion.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (LIMITS, "workspace_box"),
        (CENTRE, "position_m"),
        (Motion.at_rest(CENTRE), "setpoint"),
        (limited(move()), "motion"),
        (move(), "translation_m"),
    ],
)
def test_nothing_is_changed_after_it_was_checked(value, field):
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, None)


@pytest.mark.parametrize(
    ("wanted", "reached", "limit"),
    [(1.2, 1.0, Limit.GRIPPER_RANGE), (-0.3, 0.0, Limit.GRIPPER_RANGE)],
)
def test_the_gripper_stays_between_closed_and_open(wanted, reached, limit):
    result = limited(move(gripper=wanted))

    assert result.motion.setpoint.gripper == reached
    assert result.acted == {limit}


def test_the_gripper_moves_no_faster_than_allowed():
    limits = replace(LIMITS, max_gripper_step=0.2)

    result = limit_move(limits, Motion.at_rest(CENTRE), move(gripper=0.0), CENTRE, PERIOD_S)

    assert result.motion.setpoint.gripper == pytest.approx(0.3)
    assert result.acted == {Limit.GRIPPER_RATE}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("wanted", "previous", "measured", "named"),
    [
        (lambda b: move((b, 0, 0)), CENTRE, CENTRE, "wanted translation"),
        (lambda b: move(rotation_rad=(0, b, 0)), CENTRE, CENTRE, "wanted rotation"),
        (lambda b: move(gripper=b), CENTRE, CENTRE, "wanted gripper .* 1 finite number: hold"),
        (lambda _: move(), CENTRE, lambda b: at([b, 0, 0]), "measured position"),
        (
            lambda _: move(),
            CENTRE,
            lambda b: at(CENTRE.position_m, np.array([b, 0, 0, 1.0])),
            "measured orientation",
        ),
        (lambda _: move(), lambda b: at([0, 0, b]), CENTRE, "last target position"),
        (
            lambda _: move(),
            lambda b: at(CENTRE.position_m, np.array([0, 0, 0, b])),
            CENTRE,
            "last target orientation",
        ),
    ],
)
def test_what_is_not_a_number_is_refused_by_name(bad, wanted, previous, measured, named):
    before = previous(bad) if callable(previous) else previous
    here = measured(bad) if callable(measured) else measured

    with pytest.raises(InputRefusedError, match=named):
        limit_move(LIMITS, Motion.at_rest(before), wanted(bad), here, PERIOD_S)


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Move(np.zeros(0), np.zeros(3), 0.5), "wanted translation is .* 3 finite numbers"),
        (Move(np.zeros(4), np.zeros(3), 0.5), "wanted translation is .* 3 finite numbers"),
        (Move(np.zeros(3), np.zeros(2), 0.5), "wanted rotation is .* 3 finite numbers"),
    ],
)
def test_a_wrong_number_of_numbers_is_refused(wanted, named):
    with pytest.raises(InputRefusedError, match=named):
        limited(wanted)


def test_nobody_but_the_limiter_makes_what_can_be_commanded():
    motion = limited(move()).motion

    with pytest.raises(TypeError, match="hand the wanted movement to limit_move"):
        Limited(motion, frozenset(), object())
    # The second is what Python 3.13 raises.
    with pytest.raises((ValueError, TypeError), match="seal"):
        replace(limited(move()), motion=motion)


@pytest.mark.parametrize("dt_s", [0.0, -0.1, PERIOD_S * 1.01, np.nan])
def test_a_time_that_the_limits_do_not_cover_is_refused(dt_s):
    with pytest.raises(ValueError, match="dt_s"):
        limited(move(), dt_s=dt_s)


@pytest.mark.parametrize(
    "box",
    [
        (0.0, 1.0, 0.0, 1.0),
        (0.0, 1.0, 0.0, 1.0, 1.0, 1.0),
        (0.0, 1.0, 0.0, np.nan, 0.0, 1.0),
        (0.0, 1.0, 0.0, np.inf, 0.0, 1.0),
        (1.0, 0.0, 0.0, 1.0, 0.0, 1.0),
    ],
)
def test_a_box_without_room_is_refused(box):
    with pytest.raises(ValueError, match="workspace_box"):
        replace(LIMITS, workspace_box=box)


def vectors(largest):
    return st.tuples(*[st.floats(-largest, largest)] * 3).map(np.array)


def inside_box():
    low, high = LIMITS.low_m, LIMITS.high_m
    return st.tuples(*[st.floats(low[i], high[i]) for i in range(3)]).map(np.array)


ORIENTATIONS = vectors(3.0).map(quaternion_from_rotation_vector)
MOVES = st.builds(Move, vectors(10.0), vectors(3.0), st.floats(-100.0, 100.0))
TARGETS = st.builds(Setpoint, inside_box(), ORIENTATIONS, st.floats(0.0, 1.0))
MEASURED = st.builds(Setpoint, vectors(2.0), ORIENTATIONS, st.floats(0.0, 1.0))
SEAMS = st.sampled_from([0.001, 0.01, 0.05])


@settings(max_examples=100 * MORE_EXAMPLES)
@given(TARGETS, MEASURED, st.lists(st.tuples(MOVES, st.floats(0.01, PERIOD_S)), max_size=6), SEAMS)
def test_no_sequence_of_moves_leaves_the_limits(target, measured, moves, seam_m):
    limits = replace(LIMITS, max_translation_change_m=seam_m)
    motion = Motion.at_rest(target)
    for wanted, dt_s in moves:
        result = limit_move(limits, motion, wanted, measured, dt_s)
        reached, share = result.motion.setpoint, dt_s / PERIOD_S
        step_m = reached.position_m - motion.setpoint.position_m
        step_rad = rotation_between(motion.setpoint.quaternion, reached.quaternion)

        assert (limits.low_m <= reached.position_m).all()
        assert (reached.position_m <= limits.high_m).all()
        assert np.linalg.norm(step_m) <= limits.max_translation_m * share * SLACK + 1e-12
        assert np.linalg.norm(step_rad) <= limits.max_rotation_rad * share * SLACK + 1e-9
        assert np.linalg.norm(reached.quaternion) == pytest.approx(1.0)
        assert 0.0 <= reached.gripper <= 1.0
        if Limit.WORKSPACE not in result.acted:
            change_m = np.linalg.norm(step_m - motion.linear_m_s * dt_s)
            assert change_m <= seam_m * share**2 * SLACK + 1e-12
        motion = result.motion


@given(vectors(0.2))
def test_away_from_the_walls_a_translation_keeps_its_direction(translation_m):
    result = limited(move(translation_m))

    assert np.cross(step_m(result), translation_m) == pytest.approx(np.zeros(3), abs=1e-9)
    assert step_m(result) @ translation_m >= 0.0


@given(TARGETS, MOVES)
def test_the_same_limits_leave_a_limited_move_alone(target, wanted):
    once = limited(wanted, target)
    once_more = Move(step_m(once), step_rad(once), once.motion.setpoint.gripper)
    twice = limited(once_more, target)

    assert twice.acted == frozenset()
    assert step_m(twice) == pytest.approx(step_m(once), abs=1e-12)
