"""The simulated Franka cell: an arm in joint velocities at 15 Hz, and tasks as files."""
