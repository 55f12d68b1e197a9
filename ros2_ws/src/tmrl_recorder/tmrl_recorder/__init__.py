"""Records the topics of a robot, one MCAP file for each episode."""
