"""The contract of `tmrl_common.kinematics.Kinematics` as tests, for every driver that brings one.

    class TestMyKinematics(KinematicsContract):
        @pytest.fixture
        def kinematics(self) -> Kinematics:
            return MyKinematics()

The controller keeps joint velocities within its limits by these numbers. Only a published or
measured pose can say that they are those of the real arm: add one.
"""

# The names of tests are sentences.
# ruff: noqa: D102

import numpy as np
import pytest

from tmrl_common.kinematics import Kinematics, Vector

_POSTURES = 50
_FURTHEST_RAD = 2.5
_STEP_RAD = 1e-6
_TOOL_M = np.array([0.02, -0.03, 0.1])
"""Somewhere on the flange, off every axis."""


class KinematicsContract:
    """What the geometry of every arm does. Subclasses define the fixture `kinematics`."""

    @pytest.fixture
    def kinematics(self) -> Kinematics:
        """The arm; subclasses override this."""
        raise NotImplementedError("define the fixture `kinematics` in the subclass")

    @pytest.fixture
    def postures_rad(self, kinematics: Kinematics) -> list[Vector]:
        """Some postures, each of shape (n,), rad."""
        draw = np.random.default_rng(0).uniform
        return [draw(-_FURTHEST_RAD, _FURTHEST_RAD, kinematics.joints) for _ in range(_POSTURES)]

    def test_there_is_an_axis_of_unit_length_and_a_point_for_each_joint(
        self, kinematics: Kinematics, postures_rad: list[Vector]
    ) -> None:
        for joint_rad in postures_rad:
            chain = kinematics.chain(joint_rad)
            assert chain.axes.shape == chain.origins_m.shape == (kinematics.joints, 3)
            assert np.linalg.norm(chain.axes, axis=1) == pytest.approx(1.0)

    def test_the_flange_is_turned_and_not_mirrored(
        self, kinematics: Kinematics, postures_rad: list[Vector]
    ) -> None:
        for joint_rad in postures_rad:
            turn = kinematics.chain(joint_rad).R_base_flange
            assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-9)
            assert np.linalg.det(turn) == pytest.approx(1.0)

    def test_the_jacobian_is_the_slope_of_the_tools_pose(
        self, kinematics: Kinematics, postures_rad: list[Vector]
    ) -> None:
        for joint_rad in postures_rad:
            here = kinematics.chain(joint_rad)
            jacobian = here.jacobian(here.point_m(_TOOL_M))
            for joint in range(kinematics.joints):
                nudged = joint_rad.copy()
                nudged[joint] += _STEP_RAD
                there = kinematics.chain(nudged)
                moved_m = there.point_m(_TOOL_M) - here.point_m(_TOOL_M)
                turned = there.R_base_flange @ here.R_base_flange.T
                turned_rad = np.array([turned[2, 1], turned[0, 2], turned[1, 0]])
                slope = np.concatenate([moved_m, turned_rad]) / _STEP_RAD
                assert jacobian[:, joint] == pytest.approx(slope, abs=1e-5)
