"""Publishes the pictures of one RealSense camera."""
