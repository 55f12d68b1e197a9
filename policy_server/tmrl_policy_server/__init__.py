"""Serves policies to robots over ZeroMQ."""
