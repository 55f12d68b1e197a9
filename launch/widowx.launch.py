"""A session on a WidowX 250: `ros2 launch tmrl_bringup widowx.launch.py rig:=FILE` or sim:=true."""

from tmrl_bringup.launching import session_launch_description


def generate_launch_description():  # noqa: ANN201 - the name and signature that ROS looks for
    """The processes of the rig, as `./tmrl up widowx` starts them too."""
    return session_launch_description("widowx")
