"""Brings the whole stack up: set-up, launch descriptions and the `tmrl` command line."""
