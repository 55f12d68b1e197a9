"""Supervised pre-training of the small flow policies, before any reinforcement."""
