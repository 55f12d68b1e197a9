"""A fine-tuning session on a Franka: `ros2 launch tmrl_bringup franka.launch.py rig:=FILE`."""

from tmrl_bringup.launching import session_launch_description


def generate_launch_description():  # noqa: ANN201 - the name and signature that ROS looks for
    """The processes of the rig, as `./tmrl up franka` starts them too."""
    return session_launch_description("franka")
