"""Rollouts of a context-smoothed policy over sigma, as a page with a slider."""
