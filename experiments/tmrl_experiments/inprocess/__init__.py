"""The whole loop in one process, without ROS: for experiments, tests and as the cost baseline."""
