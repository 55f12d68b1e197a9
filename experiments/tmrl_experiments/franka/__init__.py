"""The simulated Franka cell as a task, and the cards of its policies."""
