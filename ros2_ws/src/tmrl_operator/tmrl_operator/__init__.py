"""The episode state machine and the services through which a person runs a session."""
