"""The limiter of joint velocities: whatever is wanted, the arm can still stop where it may."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.limiter import (
    InputRefusedError,
    Limit,
    Motion,
    Setpoint,
    limit_joints,
)
from tmrl_controller.testing import (
    FRANKA_CONFIG,
    FRANKA_REST_RAD,
    MORE_EXAMPLES,
    TOOL_ON_FLANGE_M,
)

LIMITS = FRANKA_CONFIG.joint_limits
franka_chain = FRANKA_CONFIG.arm_kinematics.chain
PERIOD_S = FRANKA_CONFIG.control_period_s
STILL = np.zeros(7)
BOX_SLACK_M = 0.01
"""The box is asked at two points of the way to the rest; the arc may bulge by millimetres."""


def at(joints=FRANKA_REST_RAD, gripper=0.5):
    joints = np.array(joints, dtype=np.float64)
    return Setpoint(
        franka_chain(joints).point_m(TOOL_ON_FLANGE_M), IDENTITY_QUATERNION, gripper, joints
    )


def moving(velocity, setpoint=None):
    return replace(
        Motion.at_rest(setpoint or at()), joint_velocity_rad_s=np.array(velocity, dtype=np.float64)
    )


def one(joint, value):
    values = np.zeros(7)
    values[joint] = value
    return values


def limited(wanted, previous=None, here=None, gripper=0.5, dt_s=PERIOD_S, limits=LIMITS):
    return limit_joints(
        limits, previous or moving(wanted), np.array(wanted), gripper, here or at(), dt_s
    )


def velocity(result):
    return result.motion.joint_velocity_rad_s


def rest(joints, speeds, life_s=PERIOD_S + LIMITS.reaction_s):
    return joints + speeds * (life_s + np.abs(speeds) / (2.0 * LIMITS.acceleration))


def outside_m(joints, limits=LIMITS):
    tool_m = franka_chain(joints).point_m(TOOL_ON_FLANGE_M)
    return float(np.linalg.norm(tool_m - np.clip(tool_m, limits.low_m, limits.high_m)))


def test_a_velocity_within_all_limits_passes_unchanged():
    wanted = np.array([0.2, -0.1, 0.1, 0.1, 0.3, -0.2, 0.5])

    result = limited(wanted, gripper=0.6)

    assert result.acted == frozenset()
    assert velocity(result) == pytest.approx(wanted)
    assert result.motion.setpoint.joint_position_rad == pytest.approx(
        FRANKA_REST_RAD + wanted * PERIOD_S
    )
    assert result.motion.setpoint.gripper == pytest.approx(0.6)
    assert result.motion.linear_m_s.tolist() == result.motion.angular_rad_s.tolist() == [0, 0, 0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_joint_that_is_too_fast_slows_all_of_them_so_that_the_direction_stays(sign):
    wanted = sign * (one(6, 3.0) + one(4, 1.0))

    result = limited(wanted, moving(wanted / 2.0))

    assert result.acted == {Limit.JOINT_VELOCITY}
    assert velocity(result) == pytest.approx(sign * (one(6, 1.5) + one(4, 0.5)))


@pytest.mark.parametrize(
    ("changes", "limit", "rows"),
    [
        ({"max_translation_m": 0.01}, Limit.TRANSLATION, slice(0, 3)),
        ({"max_rotation_rad": 0.01}, Limit.ROTATION, slice(3, 6)),
    ],
)
def test_the_tool_is_no_faster_than_allowed(changes, limit, rows):
    limits = replace(LIMITS, **changes)
    wanted = one(0, 0.4) + one(1, 0.2) + one(2, 0.3)

    result = limited(wanted, limits=limits, previous=moving(one(0, 0.1)))

    jacobian = franka_chain(FRANKA_REST_RAD).jacobian(at().position_m)
    speed = np.linalg.norm((jacobian @ velocity(result))[rows])
    assert result.acted == {limit}
    assert speed == pytest.approx(next(iter(changes.values())) / PERIOD_S)
    assert velocity(result) / velocity(result)[0] == pytest.approx(wanted / wanted[0])


def test_when_the_tool_translates_and_rotates_too_fast_the_graver_excess_counts():
    limits = replace(LIMITS, max_translation_m=0.01, max_rotation_rad=0.001)

    result = limited(one(0, 0.9), limits=limits, previous=moving(STILL))

    assert result.acted == {Limit.TRANSLATION, Limit.ROTATION}
    assert velocity(result) == pytest.approx(one(0, 0.001 / PERIOD_S))


def test_the_largest_speed_itself_is_allowed():
    fastest = one(6, LIMITS.velocity[6])

    result = limited(fastest, moving(fastest))

    assert result.acted == frozenset()
    assert velocity(result).tolist() == fastest.tolist()


def test_no_joint_changes_its_velocity_faster_than_it_may_accelerate():
    result = limited(one(0, 0.9), moving(one(0, -0.1)))

    assert result.acted == {Limit.JOINT_ACCELERATION}
    assert velocity(result) == pytest.approx(one(0, -0.1 + 5.0 * PERIOD_S))


def test_a_tick_allows_less_change_than_a_period():
    result = limited(one(1, -0.5), moving(STILL), dt_s=0.01)

    assert velocity(result) == pytest.approx(one(1, -0.04))


@pytest.mark.parametrize(("joint", "sign"), [(4, 1.0), (4, -1.0), (6, 1.0), (6, -1.0)])
def test_near_the_end_of_a_joint_the_way_to_brake_is_kept(joint, sign):
    joints = FRANKA_REST_RAD.copy()
    end = LIMITS.high[joint] if sign > 0 else LIMITS.low[joint]
    joints[joint] = end - sign * 0.1
    fast = one(joint, sign * 0.5)

    result = limited(fast, moving(fast), at(joints))

    assert result.acted == {Limit.JOINT_POSITION}
    assert 0.0 < velocity(result)[joint] * sign < 0.5
    assert rest(joints, velocity(result))[joint] == pytest.approx(end)


@pytest.mark.parametrize(("end", "sign"), [("high", 1.0), ("low", -1.0)])
def test_a_joint_beyond_its_end_may_only_come_back(end, sign):
    joints = FRANKA_REST_RAD.copy()
    joints[6] = getattr(LIMITS, end)[6] + sign * 0.05

    outwards, still, inwards = (
        limited(one(6, sign * v), moving(STILL), at(joints)) for v in (0.3, 0.0, -0.3)
    )

    assert (velocity(outwards)[6], outwards.acted) == (0.0, {Limit.JOINT_POSITION})
    assert velocity(still).tolist() == STILL.tolist()
    assert velocity(inwards)[6] == pytest.approx(sign * -0.3)


def test_at_its_end_what_is_too_little_is_not_reported():
    joints = FRANKA_REST_RAD.copy()
    joints[6] = LIMITS.high[6]

    result = limited(one(6, 1e-6), moving(STILL), at(joints))

    assert (velocity(result)[6], result.acted) == (0.0, frozenset())


def test_a_fresh_measurement_beyond_the_end_stops_a_joint_at_once():
    joints = FRANKA_REST_RAD.copy()
    joints[6] = LIMITS.high[6] + 0.001

    result = limited(one(6, 1.5), moving(one(6, 1.5)), at(joints))

    assert velocity(result)[6] == 0.0


def towards(direction, speed_m_s, joints=FRANKA_REST_RAD):
    """Joint velocities that move the tool in a direction and do not turn it."""
    jacobian = franka_chain(joints).jacobian(franka_chain(joints).point_m(TOOL_ON_FLANGE_M))
    return np.linalg.pinv(jacobian) @ np.array([*direction, 0, 0, 0]) * speed_m_s


def test_the_tool_comes_to_rest_in_the_box():
    low_box = (*LIMITS.workspace_box[:4], at().position_m[2] - 0.02, 0.8)
    limits = replace(LIMITS, workspace_box=low_box)
    down = towards((0, 0, -1), 0.2)

    result = limited(down, moving(STILL), limits=limits)

    assert Limit.WORKSPACE in result.acted
    tool_m = franka_chain(rest(FRANKA_REST_RAD, velocity(result))).point_m(TOOL_ON_FLANGE_M)
    assert tool_m[2] == pytest.approx(low_box[4], abs=2e-3)
    assert tool_m[2] < at().position_m[2] - 0.01, "the room that is left is used"


def test_along_a_wall_the_tool_slides():
    low_box = (*LIMITS.workspace_box[:4], at().position_m[2] - 0.005, 0.8)
    limits = replace(LIMITS, workspace_box=low_box)
    wanted = towards((0, 0.7, -0.7), 0.2)

    result = limited(wanted, moving(STILL), limits=limits)

    tool_m = franka_chain(rest(FRANKA_REST_RAD, velocity(result))).point_m(TOOL_ON_FLANGE_M)
    assert Limit.WORKSPACE in result.acted
    assert tool_m[1] > 0.01
    assert tool_m[2] >= low_box[4] - 1e-3


@pytest.mark.parametrize("direction", [(0, 0, -1), (0, 0.7, -0.7), (0.7, 0, -0.7)])
def test_an_agile_arm_slides_along_the_wall_itself(direction):
    low_box = (*LIMITS.workspace_box[:4], at().position_m[2] - 0.02, 0.8)
    limits = replace(LIMITS, workspace_box=low_box, max_acceleration_rad_s2=(50.0,) * 7)

    result = limited(towards(direction, 0.4), moving(STILL), limits=limits)

    speeds = velocity(result)
    seconds = PERIOD_S + limits.reaction_s + np.abs(speeds) / (2.0 * limits.acceleration)
    tool_m = franka_chain(FRANKA_REST_RAD + speeds * seconds).point_m(TOOL_ON_FLANGE_M)
    assert Limit.WORKSPACE in result.acted
    assert tool_m[2] == pytest.approx(low_box[4], abs=1e-5)


def test_an_arc_whose_middle_leaves_the_box_is_seen():
    joints = FRANKA_REST_RAD + one(0, -0.158)
    wall_m = at(joints).position_m[0] + 0.0039
    limits = replace(LIMITS, workspace_box=(0.25, wall_m, *LIMITS.workspace_box[2:]))
    swing = one(0, 1.0)

    result = limited(swing, moving(swing), at(joints), limits=limits)

    assert outside_m(rest(joints, swing)) == 0.0
    assert result.acted == {Limit.WORKSPACE}
    assert 0.0 < velocity(result)[0] < 1.0


def leaves_by_m(speeds, limits):
    """How far the tool leaves the box until it rests, halfway and at the rest."""
    way = rest(FRANKA_REST_RAD, speeds) - FRANKA_REST_RAD
    return max(outside_m(FRANKA_REST_RAD + share * way, limits) for share in (0.5, 1.0))


def test_on_the_way_to_a_wall_nothing_is_worse_than_to_brake():
    """Where the arm is too fast to slide, it takes the nearest allowed way to braking."""
    random = np.random.default_rng(7)
    low_box = (*LIMITS.workspace_box[:4], at().position_m[2] - 0.01, 0.8)
    limits = replace(LIMITS, workspace_box=low_box)
    slower = 0
    for _ in range(60):
        last = towards(random.normal(size=3), 0.1) * random.uniform(0.0, 2.0)
        wanted = towards((0, 0, -1), random.uniform(0.1, 0.6))

        result = limited(wanted, moving(last), limits=limits)

        change = LIMITS.acceleration * PERIOD_S
        braking = last - np.clip(last, -change, change)
        allowed_m = leaves_by_m(braking, limits) + 1e-6
        assert leaves_by_m(velocity(result), limits) <= allowed_m
        assert (np.abs(velocity(result) - last) <= change * (1 + 1e-9)).all()
        slower += np.linalg.norm(velocity(result)) > np.linalg.norm(braking)
    assert slower > 20, "the room that is left is used"


def test_a_tool_may_be_half_a_metre_long():
    chain = franka_chain(FRANKA_REST_RAD)
    for length_m, allowed in ((0.49, True), (0.51, False)):
        here = replace(at(), position_m=chain.point_m(np.array([0.0, length_m, 0.0])))
        if allowed:
            assert limited(STILL, here=here).acted <= {Limit.WORKSPACE}
        else:
            with pytest.raises(InputRefusedError, match=f"{length_m:.3f} m from the flange"):
                limited(STILL, here=here)


def test_outside_the_box_the_tool_may_only_come_back():
    low_box = (*LIMITS.workspace_box[:4], at().position_m[2] + 0.02, 0.8)
    limits = replace(LIMITS, workspace_box=low_box)

    down = limited(towards((0, 0, -1), 0.1), moving(STILL), limits=limits)
    up = limited(towards((0, 0, 1), 0.1), moving(STILL), limits=limits)

    height_m = franka_chain(rest(FRANKA_REST_RAD, velocity(down))).point_m(TOOL_ON_FLANGE_M)[2]
    assert height_m >= at().position_m[2] - 1e-3
    assert velocity(up) == pytest.approx(towards((0, 0, 1), 0.1))


@pytest.mark.parametrize(
    ("wanted", "reached", "acted"),
    [
        (1.4, 0.75, {Limit.GRIPPER_RANGE, Limit.GRIPPER_RATE}),
        (0.0, 0.25, {Limit.GRIPPER_RATE}),
        (0.6, 0.6, set()),
    ],
)
def test_the_gripper_has_its_range_and_its_rate(wanted, reached, acted):
    result = limited(STILL, gripper=wanted)

    assert result.motion.setpoint.gripper == pytest.approx(reached)
    assert result.acted == acted


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (lambda b: {"wanted": one(3, b), "previous": moving(STILL)}, "wanted joint velocity"),
        (lambda b: {"wanted": STILL, "gripper": b}, "wanted gripper"),
        (
            lambda b: {"wanted": STILL, "here": replace(at(), joint_position_rad=one(0, b))},
            "measured joint position",
        ),
        (
            lambda b: {"wanted": STILL, "here": replace(at(), position_m=np.array([b, 0, 0]))},
            "measured position",
        ),
        (lambda b: {"wanted": STILL, "previous": moving(one(2, b))}, "last joint velocity"),
        (
            lambda b: {
                "wanted": STILL,
                "previous": Motion.at_rest(replace(at(), joint_position_rad=one(1, b))),
            },
            "last commanded joint position",
        ),
    ],
)
def test_what_is_not_a_number_is_refused_by_name(bad, arguments, named):
    with pytest.raises(InputRefusedError, match=named):
        limited(**arguments(bad))


@pytest.mark.parametrize("values", [[], [0.0] * 6, [0.0] * 8])
def test_a_wrong_number_of_joints_is_refused(values):
    with pytest.raises(InputRefusedError, match="7 finite numbers"):
        limited(values, moving(STILL))


def test_joints_and_tool_of_different_arms_are_refused():
    elsewhere = replace(at(), position_m=at().position_m + np.array([0.0, 0.6, 0.0]))

    with pytest.raises(InputRefusedError, match="m from the flange"):
        limited(STILL, here=elsewhere)


@pytest.mark.parametrize("dt_s", [0.0, -0.1, PERIOD_S * 1.01, np.nan])
def test_a_time_that_the_limits_do_not_cover_is_refused(dt_s):
    with pytest.raises(ValueError, match="dt_s"):
        limited(STILL, dt_s=dt_s)


def joint_vectors(largest):
    return st.tuples(*[st.floats(-largest, largest)] * 7).map(np.array)


WILD = st.one_of(joint_vectors(1.0), joint_vectors(30.0), joint_vectors(1e300))
STEPS = st.lists(
    st.tuples(WILD, st.floats(-10.0, 10.0), st.sampled_from([0.01, 0.02, PERIOD_S]), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=100 * MORE_EXAMPLES)
@given(STEPS)
def test_no_sequence_of_velocities_leaves_the_limits(steps):
    """An arm that obeys each command for its whole life, or brakes, never gets where it may not."""
    here = at()
    motion = Motion.at_rest(here)
    for wanted, gripper, dt_s, obeys in steps:
        result = limited(wanted, motion, here, gripper, dt_s)
        speeds = velocity(result)

        assert (np.abs(speeds) <= LIMITS.velocity * (1.0 + 1e-9)).all()
        change = np.abs(speeds - motion.joint_velocity_rad_s)
        assert (change <= LIMITS.acceleration * dt_s * (1.0 + 1e-9) + 1e-12).all()
        assert 0.0 <= result.motion.setpoint.gripper <= 1.0
        stopped = rest(here.joint_position_rad, speeds, dt_s + LIMITS.reaction_s)
        assert (LIMITS.low - 1e-9 <= stopped).all()
        assert (stopped <= LIMITS.high + 1e-9).all()
        assert outside_m(stopped) <= BOX_SLACK_M
        way = speeds * dt_s if obeys else np.zeros(7)
        here = replace(at(here.joint_position_rad + way), gripper=result.motion.setpoint.gripper)
        assert outside_m(here.joint_position_rad) <= BOX_SLACK_M
        motion = result.motion
