"""The simulated WidowX 250 cell: physics, cameras, scripted expert, demonstrations, Gymnasium."""
