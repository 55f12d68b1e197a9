"""What is learned and measured in one process: the loop without ROS, OGBench, the theory."""
