"""`./tmrl export lerobot`: a run as a LeRobot data set of version 3."""
