"""ROS shell of the TMRL learner: replay topic in, actor weights and status out."""
