"""The Franka's kinematics, against published poses and the contract of all arms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.franka.kinematics import FrankaKinematics
from tmrl_arm.testing.kinematics_contract import KinematicsContract

franka_chain = FrankaKinematics().chain

HAND_M = np.array([0.0, 0.0, 0.1034])
"""From the flange to between the fingertips of the maker's hand."""
POSTURES = st.tuples(*[st.floats(-2.5, 2.5)] * 7).map(np.array)


class TestContract(KinematicsContract):
    @pytest.fixture
    def kinematics(self):
        return FrankaKinematics()


def test_stretched_upwards_the_links_add_up():
    chain = franka_chain(np.zeros(7))

    assert chain.flange_m == pytest.approx([0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107])


def test_the_ready_posture_has_the_published_tool_pose():
    ready = np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4])
    chain = franka_chain(ready)

    assert chain.point_m(HAND_M) == pytest.approx([0.3069, 0.0, 0.4869], abs=5e-4)
    assert chain.R_base_flange[:, 2] == pytest.approx([0.0, 0.0, -1.0], abs=1e-12)


@given(POSTURES)
def test_a_point_on_the_flange_is_found_again(joints):
    chain = franka_chain(joints)

    assert chain.mounted_m(chain.point_m(HAND_M)) == pytest.approx(HAND_M)
