"""A Franka FR3 or Panda through franky (libfranka)."""
