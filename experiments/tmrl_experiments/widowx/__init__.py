"""The WidowX cell of the paper: its task, and pre-training on demonstrations of it."""
