"""From observations of a rig to what pi0 sees, and from its actions back to the rig's units."""
