"""`./tmrl import lerobot`: demonstrations of a LeRobot data set for a learner's replay buffer."""
