"""The ROS 2 node around the simulated WidowX 250 cell of `tmrl_cell`."""
