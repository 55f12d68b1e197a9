"""What an arm publishes about itself: arm/state, and the same in standard messages.

rviz, Foxglove and robot_state_publisher read `joint_states` and poses, not messages of this stack.
"""

# Generated messages are typed in part only.

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from tmrl_msgs.msg import ArmState
from tmrl_ros import qos
from tmrl_ros.transforms import Transforms, transform_of


class ArmTopics:
    """Publishes `arm/state`, `joint_states` and `arm/tool_pose` of one arm, its looks, its tf.

    Attributes:
        transforms: For further frames of the same node.
    """

    def __init__(self, node: Node, urdf: str = "") -> None:
        """Creates the publishers in the namespace of the arm's node.

        Args:
            node: The arm's.
            urdf: What the arm looks like, for `robot_description`; empty for none.
        """
        self._joints = JointState()
        self._pose = PoseStamped()
        self._state_topic = node.create_publisher(ArmState, "arm/state", qos.STATE)
        self._joints_topic = node.create_publisher(JointState, "joint_states", qos.STATE)
        self._pose_topic = node.create_publisher(PoseStamped, "arm/tool_pose", qos.STATE)
        self.transforms = Transforms(node)
        self._transformed = Time()
        if urdf:
            self._description = node.create_publisher(String, "robot_description", qos.STATUS)
            self._description.publish(String(data=urdf))

    def publish(self, state: ArmState) -> None:
        """Publishes an arm state, its joints and its tool pose with one stamp, arm/state last."""
        joints, pose = self._joints, self._pose
        joints.header = pose.header = state.header
        joints.name = state.joint_names
        joints.position = state.joint_position
        joints.velocity = state.joint_velocity
        joints.effort = state.joint_effort
        pose.pose = state.x_base_tool
        self._joints_topic.publish(joints)
        self._pose_topic.publish(pose)
        if state.header.stamp != self._transformed:
            # A repetition would be a warning in every listener of tf.
            self._transformed = Time(sec=state.header.stamp.sec, nanosec=state.header.stamp.nanosec)
            tool = tool_frame(state.robot)
            self.transforms.move(transform_of(state.header, tool, state.x_base_tool))
        self._state_topic.publish(state)


def tool_frame(robot: str) -> str:
    """Frame of the measured tool."""
    return f"{robot}/tool"
