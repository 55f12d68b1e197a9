"""What the URDFs say is what our kinematics and our limits say, so that pictures do not lie."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.franka.franky_config import JOINTS as FRANKA_NAMES
from tmrl_arm.franka.franky_config import LIMITS, FrankaModel
from tmrl_arm.franka.kinematics import FrankaKinematics
from tmrl_arm.interbotix.config import JOINTS as WIDOWX_NAMES
from tmrl_arm.interbotix.kinematics import forward
from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import ARM_JOINTS
from tmrl_common.geometry import matrix_from_quaternion, quaternion_from_rotation_vector
from tmrl_description.urdf import read_urdf

HAND_TOOL_M = np.array([0.0, 0.0, 0.1034])
"""Between the fingers of Franka's hand, in the frame of the flange."""
HAND_TURN = matrix_from_quaternion(quaternion_from_rotation_vector(np.array([0, 0, -np.pi / 4])))
ROUNDED_M = 1e-3
"""The simulated arm's shoulder is 110 mm up, the real one's 110.65 mm."""


class Urdf:
    """A chain of links, read without any of our code."""

    def __init__(self, name):
        root = ElementTree.fromstring(read_urdf(name))
        self.above = {joint.find("child").get("link"): joint for joint in root.findall("joint")}
        self.turning = {
            joint.get("name"): joint for joint in root.findall("joint[@type='revolute']")
        }

    def limit(self, name):
        return np.array([float(joint.find("limit").get(name)) for joint in self.turning.values()])

    def pose(self, link, joint_rad):
        """X_base_link as a rotation matrix and a position, m."""
        angles = dict(zip(self.turning, joint_rad, strict=True))
        rotation, position_m = np.eye(3), np.zeros(3)
        while link in self.above:
            joint = self.above[link]
            offset_m = numbers(joint.find("origin").get("xyz"))
            turn = fixed_angles(numbers(joint.find("origin").get("rpy")))
            if joint.get("name") in angles:
                axis = numbers(joint.find("axis").get("xyz"))
                turn = turn @ about(axis * angles[joint.get("name")])
            rotation, position_m = turn @ rotation, offset_m + turn @ position_m
            link = joint.find("parent").get("link")
        return rotation, position_m


def numbers(text):
    return np.array([float(word) for word in text.split()])


def about(vector):
    return matrix_from_quaternion(quaternion_from_rotation_vector(vector))


def fixed_angles(rpy):
    roll, pitch, yaw = (about(axis * angle) for axis, angle in zip(np.eye(3), rpy, strict=True))
    return yaw @ pitch @ roll


WIDOWX = Urdf("widowx_250")
FRANKAS = {model: Urdf(f"franka_{model}") for model in FrankaModel}
SHARES = st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7)


def within(urdf, shares):
    """Joint positions at these shares of each joint's range, rad."""
    low, high = urdf.limit("lower"), urdf.limit("upper")
    return low + np.array(shares[: len(low)]) * (high - low)


@given(shares=SHARES)
def test_the_widowxs_tool_is_where_its_driver_reckons_it(shares):
    joints = within(WIDOWX, shares)
    rotation, position_m = WIDOWX.pose("tool_link", joints)
    tool_m, tool_rotation = forward(joints)
    np.testing.assert_allclose(position_m, tool_m, atol=1e-9)
    np.testing.assert_allclose(rotation, tool_rotation, atol=1e-9)


def test_the_simulated_widowx_is_the_same_arm():
    cell = WidowXCell()
    low, high = cell.joint_limits_rad
    np.testing.assert_array_equal(WIDOWX.limit("lower"), low)
    np.testing.assert_array_equal(WIDOWX.limit("upper"), high)
    assert tuple(WIDOWX.turning) == ARM_JOINTS == WIDOWX_NAMES
    from tmrl_cell.layouts import downstream_layout

    arm = cell.reset(downstream_layout(np.random.default_rng(0)))
    _, position_m = WIDOWX.pose("tool_link", arm.joint_position_rad)
    np.testing.assert_allclose(position_m, arm.tool_position_m, atol=ROUNDED_M)


@pytest.mark.parametrize("model", FrankaModel)
@given(shares=SHARES)
def test_a_frankas_flange_and_tool_are_where_the_controller_reckons_them(model, shares):
    urdf = FRANKAS[model]
    joints = within(urdf, shares)
    chain = FrankaKinematics().chain(joints)
    rotation, position_m = urdf.pose("flange", joints)
    np.testing.assert_allclose(position_m, chain.flange_m, atol=1e-9)
    np.testing.assert_allclose(rotation, chain.R_base_flange, atol=1e-9)
    rotation, position_m = urdf.pose("tool_link", joints)
    np.testing.assert_allclose(position_m, chain.point_m(HAND_TOOL_M), atol=1e-9)
    np.testing.assert_allclose(rotation, chain.R_base_flange @ HAND_TURN, atol=1e-9)


@pytest.mark.parametrize("model", FrankaModel)
def test_a_frankas_limits_are_those_of_its_driver(model):
    urdf, limits = FRANKAS[model], LIMITS[model]
    assert tuple(urdf.turning) == FRANKA_NAMES
    np.testing.assert_array_equal(urdf.limit("lower"), limits.low_rad)
    np.testing.assert_array_equal(urdf.limit("upper"), limits.high_rad)
    np.testing.assert_array_equal(urdf.limit("velocity"), limits.velocity_rad_s)
