"""What a policy does before anything is learned, and what that says about steering it."""
