"""The learner: replay, actor-critic algorithms, pre-training. Knows nothing of ROS."""
