"""Observes, asks the policy server, publishes chunks and journals transitions."""
