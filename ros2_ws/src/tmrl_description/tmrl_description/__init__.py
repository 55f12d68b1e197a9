"""Descriptions of the arms in URDF, and how to find them."""
