"""A person's device as take-overs of the arm."""
