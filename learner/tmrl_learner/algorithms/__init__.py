"""Actor-critics that steer a frozen policy."""
