"""Makes the environment that everything else runs in; Python standard library only."""
